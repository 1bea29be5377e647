"""Kubernetes' functions in expressions: values as its reference page gives them, and what has none."""

from __future__ import annotations

import time

import pytest

from sampan.codec.cel.environment import Environment
from sampan.codec.cel.errors import CelError, EvaluationError


@pytest.fixture(scope="module")
def plain() -> Environment:
    return Environment({})


ISIP = "l.all(x, [1, 2, 3, 4, 5].all(y, " + " && ".join(["isIP('2001:db8::1')"] * 7) + "))"
TRUE = """
[1, 2, 3].isSorted() && !['b', 'a'].isSorted() && [1.0].isSorted()
[1, 3, 2].min() == 1 && ['b', 'a'].max() == 'b'
[1, 2].sum() == 3 && [1.5, 2.0].sum() == 3.5 && [].sum() == 0
[duration('1m'), duration('1s')].sum() == duration('61s')
[timestamp('2026-01-01T00:00:00Z'), timestamp('2025-01-01T00:00:00Z')].min() < timestamp('2025-06-01T00:00:00Z')
[1, 2, 2].indexOf(2) == 1 && [1, 2, 2].lastIndexOf(2) == 2 && ['a'].indexOf('b') == -1 && [1].indexOf(true) == -1
'abcabc'.indexOf('c') == 2 && 'abcabc'.lastIndexOf('c') == 5
'abc 123'.find('[0-9]+') == '123' && 'abc'.find('[0-9]') == ''
'1a2b3'.findAll('[0-9]') == ['1', '2', '3'] && '1a2b3'.findAll('[0-9]', 1) == ['1'] && 'x'.findAll('(y)') == []
isURL('https://a.example:80/b?c=d') && isURL('/a/b') && isURL('http://[::1]:80/') && isURL('mailto:a@b')
!isURL('a/b') && !isURL('../a') && !isURL('') && !isURL('http://a b/') && !isURL('http://a/%zz') && !isURL('http://a:b/')
url('https://example.com:80/path with spaces/').getEscapedPath() == '/path%20with%20spaces/'
!isURL('http://a@b@c/') && isURL('http://a:b@c/')
url('HTTPS://u:p@a.example:80/b%20c?d=1&d=2&e').getScheme() == 'https'
url('https://a.example:80/').getHost() == 'a.example:80' && url('/a').getHost() == ''
url('https://[::1]:80/').getHostname() == '::1' && url('https://a.example/').getHostname() == 'a.example'
url('https://a.example:80/').getPort() == '80' && url('https://a.example/').getPort() == ''
url('https://a/b%20c').getEscapedPath() == '/b%20c' && url('https://a/é').getEscapedPath() == '/%C3%A9'
url('https://a/?d=1&d=2&e').getQuery() == {'d': ['1', '2'], 'e': ['']}
url('/a') == url('/a') && url('/a') != url('/b')
isIP('127.0.0.1') && isIP('::1') && !isIP('127.0.0.256') && !isIP('010.0.0.1')
!isIP('fe80::1%eth0') && !isIP('::ffff:1.2.3.4') && !isIP('')
ip.isCanonical('2001:db8::abcd') && !ip.isCanonical('2001:DB8::ABCD')
ip('127.0.0.1').family() == 4 && ip('::1').family() == 6
ip('0.0.0.0').isUnspecified() && ip('127.0.0.1').isLoopback() && !ip('::1').isUnspecified()
ip('224.0.0.1').isLinkLocalMulticast() && ip('ff02::1').isLinkLocalMulticast()
!ip('224.0.1.1').isLinkLocalMulticast() && !ip('ff01::1').isLinkLocalMulticast()
ip('169.254.169.254').isLinkLocalUnicast() && ip('fe80::1').isLinkLocalUnicast()
ip('10.0.0.1').isGlobalUnicast() && !ip('255.255.255.255').isGlobalUnicast() && !ip('127.0.0.1').isGlobalUnicast()
string(ip('2001:DB8::1')) == '2001:db8::1' && ip('2001:DB8::1') == ip('2001:db8::1')
isCIDR('10.0.0.0/8') && isCIDR('::/0') && !isCIDR('10.0.0.0/33') && !isCIDR('10.0.0.0') && !isCIDR('10.0.0.0/08')
cidr('10.0.0.0/8').containsIP('10.1.2.3') && !cidr('10.0.0.0/8').containsIP(ip('11.0.0.1'))
!cidr('10.0.0.0/8').containsIP('::1') && !cidr('10.0.0.0/8').containsCIDR('::/0')
cidr('10.0.0.0/8').containsCIDR(cidr('10.1.0.0/16')) && !cidr('10.0.0.0/8').containsCIDR('10.0.0.0/7')
cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8') && cidr('10.1.2.3/8').ip() == ip('10.1.2.3')
cidr('10.1.2.3/8').prefixLength() == 8 && type(cidr('::/0')) == net.CIDR
isQuantity('1.3Gi') && isQuantity('-100m') && !isQuantity('10Mo') && !isQuantity('')
quantity('50M').isInteger() && !quantity('1.5').isInteger() && !quantity('9999999999999999999').isInteger()
quantity('50k').asInteger() == 50000 && quantity('1500m').asApproximateFloat() == 1.5
quantity('-5').sign() == -1 && quantity('0').sign() == 0 && quantity('5').sign() == 1
quantity('50k').add(quantity('20k')) == quantity('70k') && quantity('5').add(2) == quantity('7')
quantity('50k').sub(quantity('20k')) == quantity('30k') && quantity('5').sub(7) == quantity('-2')
quantity('1Ki') == quantity('1024') && quantity('1000m') == quantity('1')
quantity('150Mi').isGreaterThan(quantity('100Mi')) && quantity('50M').isLessThan(quantity('100M'))
quantity('2').compareTo(quantity('1')) == 1 && quantity('2').compareTo(quantity('2000m')) == 0
isSemver('1.0.0') && isSemver('1.2.3-rc.1+b.2') && !isSemver('v1.0.0') && !isSemver('1.0') && !isSemver('01.0.0')
isSemver('v1.0', true) && isSemver('1', true) && !isSemver('v1.0-rc', true) && !isSemver('x', true)
semver('v01.2', true) == semver('1.2.0') && semver('1.0.0+a') == semver('1.0.0+b')
semver('1.2.3').major() == 1 && semver('1.2.3').minor() == 2 && semver('1.2.3-rc').patch() == 3
semver('1.2.3').isLessThan(semver('1.10.0')) && semver('1.0.0').isGreaterThan(semver('1.0.0-rc.1'))
semver('1.0.0-rc.2').isLessThan(semver('1.0.0-rc.10')) && semver('1.0.0-1').isLessThan(semver('1.0.0-a'))
semver('1.0.0-a').compareTo(semver('1.0.0-a.b')) == -1 && semver('1.2.3').compareTo(semver('1.2.3')) == 0
sets.contains([1, 2], [1]) && sets.equivalent([1, 2], [2, 1, 1]) && !sets.intersects([1], [2])
[1, 2].all(i, v, v == i + 1) && {'a': 1}.exists(k, v, k == 'a' && v == 1) && [5].existsOne(i, v, i == 0)
[1, 2].transformList(i, v, i + v) == [1, 3] && [3, 1].sort() == [1, 3] && [1, [2]].flatten() == [1, 2]
{'a': 1, 'b': 2}.transformMap(k, v, v + 1) == {'a': 2, 'b': 3} && [1].transformMap(i, v, v * 2) == {0: 2}
{'a': 1, 'b': 2}.transformMap(k, v, v > 1, k) == {'b': 'b'} && {'a': {'b': 1}}.transformMap(k, v, v.b) == {'a': 1}
{'a': 'x', 'b': 'y'}.transformMapEntry(k, v, {v: k}) == {'x': 'a', 'y': 'b'} && {}.transformMap(k, v, v) == {}
{'a': [1, 2]}.transformMap(k, v, v.transformMap(i, w, w + i)) == {'a': {0: 1, 1: 3}} && 'cel.@mapInsert'.size() == 14
!format.dns1123Label().validate('a-b').hasValue() && format.dns1123Label().validate('A-').value().size() == 1
format.named('dns1123Subdomain').value().validate('a.b') == optional.none() && !format.named('nope').hasValue()
!format.dns1035LabelPrefix().validate('a-').hasValue() && format.dns1035Label().validate('a-').hasValue()
format.uuid().validate('x').orValue([]) == ['does not match the UUID format']
!format.uuid().validate('123e4567-e89b-12d3-a456-426614174000').hasValue() && !format.uri().validate('/a').hasValue()
format.byte().validate('!').value() == ['invalid base64'] && !format.byte().validate('aGk=').hasValue()
format.date().validate('2026-02-30').value() == ['invalid date'] && !format.date().validate('2026-02-28').hasValue()
format.datetime().validate('2026').value() == ['invalid datetime']
['a', 'B!'].map(x, format.labelValue().validate(x).hasValue()) == [false, true] && '%s'.format(['a']) == 'a'
optional.of(1).optMap(x, x + 1).value() == 2 && '%s-%d'.format(['a', 2]) == 'a-2'
"""


@pytest.mark.parametrize("source", TRUE.strip().splitlines())
def test_what_holds(plain: Environment, source: str) -> None:
    assert plain.compile(source, returns=("bool",)).evaluate({}) is True


@pytest.mark.parametrize(
    "source",
    """
[].min() == 0
[1, 'a'].max() == 1
['a'].sum() == 1
[9223372036854775807, 1].sum() > 0
'a'.find('(') == ''
url('a b') == url('/')
ip('1.2.3') == ip('::1')
ip.isCanonical('127.0.0.1.0')
cidr('10.0.0.0') == cidr('::/0')
cidr('10.0.0.0/8').containsIP('x')
quantity('Mi').isInteger()
quantity('1.5').asInteger() == 1
semver('v1.0.0').major() == 1
{'a': 'x', 'b': 'x'}.transformMapEntry(k, v, {v: k}).size() == 1
""".strip().splitlines(),
)
def test_what_has_no_value(plain: Environment, source: str) -> None:
    with pytest.raises(EvaluationError):
        plain.compile(source).evaluate({})
    assert plain.compile(f"{source} || true").evaluate({}) is True


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("quantity(5)", "no matching overload for 'quantity' applied to '(int)'"),
        ("quantity('1').isLessThan(semver('1.0.0'))", "no matching overload for 'isLessThan'"),
        ("ip('::1').prefixLength()", "no matching overload for 'prefixLength'"),
        ("ip('::1').nope", "undefined field 'nope'"),
        ("string(cidr('::/0'))", "no matching overload for 'string' applied to '(net.CIDR)'"),
        ("format.uri().validate('/a')", "evaluates to an optional value"),
        ("kubernetes.@insert({}, 1, 1)", "Syntax error"),
    ],
)
def test_what_is_refused_when_compiled(plain: Environment, source: str, says: str) -> None:
    with pytest.raises(CelError) as raised:
        plain.compile(source)
    assert says in str(raised.value)


DEAR = {
    "l.transformMap(i, x, x).size() > 0": "a map grows by being copied",
    "l.map(x, x).size() > 0": "so does a list",
    "l.all(x, big.find('b*c') == '')": "what Python does",
    "l.map(x, l.sum()).size() > 0": "what Python is given",
    ISIP: "many calls",
    "l.all(x, (l + l + l).size() > 0)": "lists that are added up in each iteration: a minute",
    "l.all(x, big.replace('b', 'cc').replace('c', 'dd').size() > 0)": "texts that grow: all memory",
    "l.all(x, !big.matches('(b+)+c$'))": "a pattern for each",
    "l.all(x, sets.contains(l, l))": "each with each, in each",
    "lists.range(l.size() * 1000000000 + 1).size() > 0": "items for nothing",
}


@pytest.mark.parametrize("source", DEAR)
def test_what_costs_too_much_is_not_begun(source: str) -> None:
    environment = Environment({"l": "list(int)", "big": "string"})
    program = environment.compile(source)
    began = time.process_time()
    with pytest.raises(EvaluationError, match="operation cancelled: actual cost limit exceeded"):
        program.evaluate({"l": list(range(2500)), "big": "b" * 50_000})
    assert time.process_time() - began < 0.5, DEAR[source]
    if "range" not in source:
        assert program.evaluate({"l": [0], "big": "b"}) is True


def test_what_is_honest_is_not_refused() -> None:
    """Large tokens and the expressions that people write for them."""
    environment = Environment({"claims": "map(string, dyn)"})
    groups = [f"team-{n}" for n in range(1000)]
    claims = {"groups": groups, "roles": ",".join(groups[:100]), "sub": "a" * 1000, "n": 3}
    for source in (
        "claims.groups.map(g, 'oidc:' + g).size() == 1000",
        "claims.groups.filter(g, g.startsWith('team-')).size() == 1000",
        "claims.groups.exists(g, g.matches('^team-[0-9]+$'))",
        "claims.roles.split(',').all(r, r in claims.groups)",
        "claims.sub.replace('a', 'b').lowerAscii().size() == 1000",
        "claims.groups.join(',').split(',').size() == 1000",
        "lists.range(claims.groups.size() - 1).size() == 999",
    ):
        assert environment.compile(source).evaluate({"claims": claims}) is True, source


def test_types_keep_their_names(plain: Environment) -> None:
    assert plain.compile("[ip('::1')]").kind == "list(net.IP)"
    with pytest.raises(CelError, match=r"must evaluate to bool, not net\.IP"):
        plain.compile("ip('::1')", returns=("bool",))

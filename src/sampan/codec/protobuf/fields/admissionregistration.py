"""Field numbers of the protobuf forms of this group's types; see `sampan.codec.protobuf`."""

from __future__ import annotations

FIELDS = {
    "admissionregistration_v1": """
        ApplyConfiguration expression=1
        AuditAnnotation key=1 valueExpression=2
        ExpressionWarning fieldRef=2 warning=3
        JSONPatch expression=1
        MatchCondition name=1 expression=2
        NamedRuleWithOperations resourceNames=1 2(operations=1 2(apiGroups=1 apiVersions=2 resources=3 scope=4))
        MatchResources namespaceSelector=1 objectSelector=2 resourceRules=3 excludeResourceRules=4 matchPolicy=7
        Mutation patchType=2 applyConfiguration=3 jsonPatch=4
        ParamKind apiVersion=1 kind=2
        Variable name=1 expression=2
        MutatingAdmissionPolicySpec paramKind=1 matchConstraints=2 variables=3 mutations=4 failurePolicy=5
            matchConditions=6 reinvocationPolicy=7
        MutatingAdmissionPolicy metadata=1 spec=2
        ParamRef name=1 namespace=2 selector=3 parameterNotFoundAction=4
        MutatingAdmissionPolicyBindingSpec policyName=1 paramRef=2 matchResources=3
        MutatingAdmissionPolicyBinding metadata=1 spec=2
        MutatingAdmissionPolicyBindingList metadata=1 items=2
        MutatingAdmissionPolicyList metadata=1 items=2
        ServiceReference namespace=1 name=2 path=3 port=4
        WebhookClientConfig url=3 service=1 caBundle=2
        RuleWithOperations operations=1 2(apiGroups=1 apiVersions=2 resources=3 scope=4)
        MutatingWebhook name=1 clientConfig=2 rules=3 failurePolicy=4 matchPolicy=9 namespaceSelector=5
            objectSelector=11 sideEffects=6 timeoutSeconds=7 admissionReviewVersions=8 reinvocationPolicy=10
            matchConditions=12
        MutatingWebhookConfiguration metadata=1 webhooks=2
        MutatingWebhookConfigurationList metadata=1 items=2
        TypeChecking expressionWarnings=1
        Validation expression=1 message=2 reason=3 messageExpression=4
        ValidatingAdmissionPolicySpec paramKind=1 matchConstraints=2 validations=3 failurePolicy=4
            auditAnnotations=5 matchConditions=6 variables=7
        ValidatingAdmissionPolicyStatus observedGeneration=1 typeChecking=2 conditions=3
        ValidatingAdmissionPolicy metadata=1 spec=2 status=3
        ValidatingAdmissionPolicyBindingSpec policyName=1 paramRef=2 matchResources=3 validationActions=4
        ValidatingAdmissionPolicyBinding metadata=1 spec=2
        ValidatingAdmissionPolicyBindingList metadata=1 items=2
        ValidatingAdmissionPolicyList metadata=1 items=2
        ValidatingWebhook name=1 clientConfig=2 rules=3 failurePolicy=4 matchPolicy=9 namespaceSelector=5
            objectSelector=10 sideEffects=6 timeoutSeconds=7 admissionReviewVersions=8 matchConditions=11
        ValidatingWebhookConfiguration metadata=1 webhooks=2
        ValidatingWebhookConfigurationList metadata=1 items=2
    """,
    "admissionregistration_v1alpha1": """
        ApplyConfiguration expression=1
        JSONPatch expression=1
        MatchCondition name=1 expression=2
        NamedRuleWithOperations resourceNames=1 2(operations=1 2(apiGroups=1 apiVersions=2 resources=3 scope=4))
        MatchResources namespaceSelector=1 objectSelector=2 resourceRules=3 excludeResourceRules=4 matchPolicy=7
        Mutation patchType=2 applyConfiguration=3 jsonPatch=4
        ParamKind apiVersion=1 kind=2
        Variable name=1 expression=2
        MutatingAdmissionPolicySpec paramKind=1 matchConstraints=2 variables=3 mutations=4 failurePolicy=5
            matchConditions=6 reinvocationPolicy=7
        MutatingAdmissionPolicy metadata=1 spec=2
        ParamRef name=1 namespace=2 selector=3 parameterNotFoundAction=4
        MutatingAdmissionPolicyBindingSpec policyName=1 paramRef=2 matchResources=3
        MutatingAdmissionPolicyBinding metadata=1 spec=2
        MutatingAdmissionPolicyBindingList metadata=1 items=2
        MutatingAdmissionPolicyList metadata=1 items=2
    """,
    "admissionregistration_v1beta1": """
        ApplyConfiguration expression=1
        JSONPatch expression=1
        MatchCondition name=1 expression=2
        NamedRuleWithOperations resourceNames=1 2(operations=1 2(apiGroups=1 apiVersions=2 resources=3 scope=4))
        MatchResources namespaceSelector=1 objectSelector=2 resourceRules=3 excludeResourceRules=4 matchPolicy=7
        Mutation patchType=2 applyConfiguration=3 jsonPatch=4
        ParamKind apiVersion=1 kind=2
        Variable name=1 expression=2
        MutatingAdmissionPolicySpec paramKind=1 matchConstraints=2 variables=3 mutations=4 failurePolicy=5
            matchConditions=6 reinvocationPolicy=7
        MutatingAdmissionPolicy metadata=1 spec=2
        ParamRef name=1 namespace=2 selector=3 parameterNotFoundAction=4
        MutatingAdmissionPolicyBindingSpec policyName=1 paramRef=2 matchResources=3
        MutatingAdmissionPolicyBinding metadata=1 spec=2
        MutatingAdmissionPolicyBindingList metadata=1 items=2
        MutatingAdmissionPolicyList metadata=1 items=2
    """,
}

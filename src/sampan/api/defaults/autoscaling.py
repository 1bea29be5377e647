"""Defaults of the autoscaling group (KEP-853: scaling behaviour). Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

from sampan.api.kinds import autoscaling_v2

CONSTANTS: dict[str, dict[str, Any]] = {
    "autoscaling_v1.HorizontalPodAutoscalerSpec": {"minReplicas": 1},
    "autoscaling_v2.HorizontalPodAutoscalerSpec": {"minReplicas": 1},
}

CPU_PERCENT = 80
SCALE_DOWN = (("Percent", 100, 15),)
SCALE_UP = (("Pods", 4, 15), ("Percent", 100, 15))


def autoscaler(o: Any) -> None:
    """Without metrics, CPU use is held at 80 %; a behaviour that is given in part is filled up."""
    spec = o.spec
    if not spec.metrics:
        target = autoscaling_v2.MetricTarget(type="Utilization", averageUtilization=CPU_PERCENT)
        source = autoscaling_v2.ResourceMetricSource(name="cpu", target=target)
        spec.metrics = [autoscaling_v2.MetricSpec(type="Resource", resource=source)]
    if spec.behavior is not None:
        spec.behavior.scaleUp = rules(spec.behavior.scaleUp, SCALE_UP, 0)
        spec.behavior.scaleDown = rules(spec.behavior.scaleDown, SCALE_DOWN, None)


def rules(given: Any, policies: tuple[tuple[str, int, int], ...], window: int | None) -> Any:
    made = given if given is not None else autoscaling_v2.HPAScalingRules()
    if made.selectPolicy is None:
        made.selectPolicy = "Max"
    if made.stabilizationWindowSeconds is None:
        made.stabilizationWindowSeconds = window
    if made.policies is None:
        made.policies = [
            autoscaling_v2.HPAScalingPolicy(type=t, value=value, periodSeconds=period) for t, value, period in policies
        ]
    return made


HOOKS = {"autoscaling_v2.HorizontalPodAutoscaler": autoscaler}

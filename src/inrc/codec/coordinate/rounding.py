"""How the fitted weights of coordinate networks are rounded: by which steps, and up or down."""

from collections.abc import Sequence

import numpy as np

from inrc.codec import file as files
from inrc.codec.formats import format_of
from inrc.codec.plan import Candidate, Plan
from inrc.codec.weights import QuantisedWeights, dequantise, ideal_bits_of_many, quantise, round_by
from inrc.config import WeightStorage
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.coordinate.fitting import CoordinateFitResult
from inrc.fit.coordinate.rounding import AdaRoundConfig
from inrc.fit.task import FitResult
from inrc.quant.search import search_together

_MAX_EVALUATIONS, _PASSES_PER_EVALUATION = 24, 10
"""Measurements that the search over the steps of fitted weights may take: one for every ten passes of the fit, which
keeps it a tenth of the encode, and 24 at most, after which steps hardly change any more."""
_LEAST_EVALUATIONS = 3


def n_evaluations(plan: Plan) -> int:
    """Measurements of the search over steps; below `_LEAST_EVALUATIONS` there is no search."""
    config = _config(plan)
    if config.weight_bits is not None or _storage(plan) is WeightStorage.HALF:
        return 0
    return min(_MAX_EVALUATIONS, int(config.n_passes / _PASSES_PER_EVALUATION))


def candidates(plans: Sequence[Plan], results: Sequence[FitResult]) -> list[Candidate]:
    """The fits of a batch with rounded weights.

    Steps are searched by measured loss + lambda * bits, for all fits at one pace. By the steps that are found, weights
    are rounded to the nearest integers, or by AdaRound where the fit asks for it and that measures less. A fit
    that was interrupted is rounded by its own steps at once.
    """
    weights = [
        quantise(result.params, result.steps, plan.reference, _storage(plan))
        for plan, result in zip(plans, results, strict=True)
    ]
    if not results[0].interrupted:
        evaluations, adaround = n_evaluations(plans[0]), _config(plans[0]).adaround
        if evaluations >= _LEAST_EVALUATIONS:
            weights = _searched(plans, results, weights, evaluations)
        if adaround is not None:
            weights = _better(plans, results, weights, _adaptive(plans, results, weights, adaround))
    return [
        Candidate(files.make(plan.header, own, sections=plan.sections), result)
        for plan, own, result in zip(plans, weights, results, strict=True)
    ]


def _searched(
    plans: Sequence[Plan], results: Sequence[FitResult], weights: Sequence[QuantisedWeights], max_evaluations: int
) -> list[QuantisedWeights]:
    """The weights rounded by the steps of the lowest cost."""

    def rounded(all_indices: Sequence[tuple[int, ...]]) -> list[QuantisedWeights]:
        return [
            round_by(result.params, indices, plan.reference, _storage(plan))
            for plan, result, indices in zip(plans, results, all_indices, strict=True)
        ]

    best = search_together(
        [own.step_indices for own in weights],
        lambda all_indices: _costs(plans, results, rounded(all_indices)),
        max_evaluations=max_evaluations,
    )
    return rounded([indices for indices, _ in best])


def _adaptive(
    plans: Sequence[Plan], results: Sequence[FitResult], weights: Sequence[QuantisedWeights], config: AdaRoundConfig
) -> list[QuantisedWeights]:
    """The fits rounded up or down by the steps of `weights`."""
    first = results[0]
    assert isinstance(first, CoordinateFitResult)
    params = [dict(result.params) for result in results]
    steps = [dict(zip(matrices, own.steps, strict=True)) for matrices, own in zip(params, weights, strict=True)]
    means = [
        {n: np.zeros_like(matrix) for n, matrix in matrices.items()}
        if own.reference is None
        else dict(own.reference.mean)
        for matrices, own in zip(params, weights, strict=True)
    ]
    return [
        round_by(matrices, own.step_indices, own.reference)
        for matrices, own in zip(first.batch.rounded(params, steps, means, config), weights, strict=True)
    ]


def _better(
    plans: Sequence[Plan],
    results: Sequence[FitResult],
    weights: Sequence[QuantisedWeights],
    others: Sequence[QuantisedWeights],
) -> list[QuantisedWeights]:
    """For each fit that of two ways to round it that costs less."""
    is_better = _costs(plans, results, others) < _costs(plans, results, weights)
    return [other if better else own for own, other, better in zip(weights, others, is_better, strict=True)]


def _costs(plans: Sequence[Plan], results: Sequence[FitResult], weights: Sequence[QuantisedWeights]) -> np.ndarray:
    """Measured loss + lambda * bits [fits] of weights as files hold them."""
    first = results[0]
    assert isinstance(first, CoordinateFitResult)
    layouts = (files.layout_of(plan.header) for plan in plans)
    losses = first.batch.distortions([dequantise(own, w) for own, w in zip(layouts, weights, strict=True)])
    per_bit = [result.lambda_rd / plan.task.target.n_samples for plan, result in zip(plans, results, strict=True)]
    return losses + np.array(per_bit) * ideal_bits_of_many(weights)


def _storage(plan: Plan) -> WeightStorage:
    return format_of(plan.header.model).storage(plan.header.model)


def _config(plan: Plan) -> CoordinateFitConfig:
    assert isinstance(plan.task.config, CoordinateFitConfig)
    return plan.task.config

"""One picture at one lambda: latents and networks fitted and rounded."""

import dataclasses
import math

from inrc.bitstream.header import Header
from inrc.bitstream.limits import DecodeLimits
from inrc.codec import pack
from inrc.codec.job import Candidate, Job
from inrc.codec.latent_rdoq import loss_of, refine
from inrc.codec.options import choose_init, resolve_latents
from inrc.codec.reference import Reference, reference_of
from inrc.config import LatentGridConfig
from inrc.fit.config import Start
from inrc.fit.lanes import Lanes
from inrc.fit.latent_config import LatentFitResult, LatentTask
from inrc.fit.latents import fit_latents_batch
from inrc.signal.colour import ColourTransform

_REFINED_FROM_STEPS = 1000
"""Steps from which refining rounded latents pays for its time, which is that of a hundred steps."""


@dataclasses.dataclass(frozen=True, eq=False)
class LatentPlan:
    """How a picture is to be fitted.

    Attributes:
      header: of the file.
      task: the fit.
      reference: what the weights are differences from.
      may_leave: whether they may be written in full instead; not where an init is asked for by name.
    """

    header: Header
    task: LatentTask
    reference: Reference | None = None
    may_leave: bool = True


def plan(job: Job, bpp: float) -> LatentPlan:
    """The fit of lambda that leads to about `bpp` on an average photograph."""
    image = job.image
    shape = image.height, image.width
    init = choose_init(job.options, shape, image.channels, bpp)
    model, config = resolve_latents(job.options, shape, bpp, init)
    header = Header(
        image.width,
        image.height,
        image.channels,
        image.bit_depth,
        ColourTransform.RGB,
        model,
        transposed=image.height > image.width,
    )
    pack.check(header, DecodeLimits())
    task = LatentTask(job.seen(header), config)
    if init is None:
        return LatentPlan(header, task)
    reference = reference_of(init, header.shape, header.channels)
    # The error that steps make grows with their square.
    coarser = math.sqrt(config.lambda_rd / init.lambda_rd)
    start = Start(reference.mean, reference.scales, {name: step * coarser for name, step in init.steps.items()})
    header = dataclasses.replace(header, init_id=init.id)
    may_leave = not job.options.names_init
    return LatentPlan(header, dataclasses.replace(task, start=start), reference, may_leave)


def run(job: Job, plan: LatentPlan, *, begin: float = 0.0) -> Candidate:
    """Fits latents and networks, and rounds them.

    Args:
      job: the picture.
      plan: its fit.
      begin: fraction of the course at which a fit begins that continues another.
    """
    model, task = plan.header.model, plan.task
    assert isinstance(model, LatentGridConfig)
    (result,) = fit_latents_batch(
        [task], model, lanes=Lanes(), begin=begin, progress=job.progress, checkpoint_path=job.next_checkpoint()
    )
    return rounded(plan, result)


def go_on(job: Job, plan: LatentPlan, candidate: Candidate, lambda_rd: float, begin: float) -> Candidate:
    """Another fit of the plan's picture, from where one has ended, with the last part of its course.

    Args:
      job: the picture.
      plan: of the first fit.
      candidate: that has been fitted.
      lambda_rd: of the new fit.
      begin: fraction of the course at which it begins.
    """
    assert isinstance(candidate.result, LatentFitResult)
    config = dataclasses.replace(plan.task.config, lambda_rd=lambda_rd, target_bits=None)
    task = dataclasses.replace(plan.task, config=config, continued=candidate.result)
    return run(job, dataclasses.replace(plan, task=task), begin=begin)


def rounded(plan: LatentPlan, result: LatentFitResult) -> Candidate:
    """A fit with its weights rounded by the steps that it has learned, its latents by what they cost.

    Weights become differences from the shared init, if the plan has one. Where it may leave that, they are written in
    full, and the file needs no init, if that comes to the lower loss.
    """
    candidate = _with_weights(plan.header, plan.reference, result)
    if plan.reference is not None and plan.may_leave:
        in_full = _with_weights(dataclasses.replace(plan.header, init_id=b""), None, result)
        candidate = min((candidate, in_full), key=lambda one: loss_of(one, result.lambda_rd))
    if plan.task.config.n_steps < _REFINED_FROM_STEPS or result.interrupted:
        return candidate
    return refine(candidate, result.lambda_rd)


def _with_weights(header: Header, reference: Reference | None, result: LatentFitResult) -> Candidate:
    weights = pack.quantise(result.params, result.steps, reference)
    return Candidate(header, dataclasses.replace(weights, latents=result.latents), result)

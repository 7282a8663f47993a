"""Searches for a number of bytes or a PSNR with latents."""

from inrc import presets
from inrc.codec import latent_job
from inrc.codec.job import Candidate, Job


def meet(job: Job) -> Candidate:
    """The fit that the options ask for."""
    return latent_job.run(job, latent_job.plan(job, presets.bpp_of_quality(job.options.quality)))

"""Published schedules on all of Kodak, where one point takes minutes: their means are what papers give.

Command: inrc evaluate experiments/reproduction_means.py; python -m experiments.reproduction prints the means.
Cost: with six fits side by side on one H200, six minutes of it; on two cores a day and a half. A run that was stopped
resumes. Expected: NIF within 0.3 dB of its paper at equal bytes, and NIF25 as well.
"""

from experiments.reproduction import NIF, NIF25, TUTORIAL, codec, smoke_codec
from experiments.smoke import PICTURES as SMALL
from inrc.evaluate.experiment import Experiment
from inrc.evaluate.pictures import kodak

POINTS = (NIF, NIF25[0], TUTORIAL)

EXPERIMENT = Experiment("reproduction_means", kodak(), tuple(map(codec, POINTS)), results="reproduction")
SMOKE = Experiment("reproduction_means smoke", SMALL, tuple(map(smoke_codec, POINTS)), results="reproduction")

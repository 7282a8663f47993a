"""Classical codecs that inrc is compared with, and the interface of every codec that is measured."""

from inrc.baselines.classical import anchors as anchors
from inrc.baselines.classical import avif_444 as avif_444
from inrc.baselines.classical import best_at_most as best_at_most
from inrc.baselines.classical import jpeg2000 as jpeg2000
from inrc.baselines.classical import jpeg_420 as jpeg_420
from inrc.baselines.classical import jpeg_444 as jpeg_444
from inrc.baselines.classical import jpeg_at_most as jpeg_at_most
from inrc.baselines.classical import jpeg_decode as jpeg_decode
from inrc.baselines.classical import jpeg_encode as jpeg_encode
from inrc.baselines.classical import jxl as jxl
from inrc.baselines.classical import library_versions as library_versions
from inrc.baselines.classical import webp as webp
from inrc.baselines.interface import Encoding as Encoding
from inrc.baselines.interface import MeasuredCodec as MeasuredCodec

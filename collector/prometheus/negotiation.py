"""What is asked of a target, and what it says that it gave: the formats by their names.

Some targets go by the Accept header letter by letter, so it is the one that Prometheus sends for the same protocols in the same order
(scrape/scrape.go ``acceptHeader``, config/config.go ``ScrapeProtocolsHeaders``).
"""

from __future__ import annotations

from collections.abc import Sequence
from email.message import Message
from typing import Literal

from collector.errors import PermanentError
from collector.exposition.page import Format

ScrapeProtocol = Literal[
    "OpenMetricsText1.0.0", "OpenMetricsText0.0.1", "PrometheusText1.0.0", "PrometheusText0.0.4", "PrometheusProto"
]

#: What Prometheus asks for unless told otherwise (``DefaultScrapeProtocols``).
SCRAPE_PROTOCOLS: tuple[ScrapeProtocol, ...] = (
    "OpenMetricsText1.0.0",
    "OpenMetricsText0.0.1",
    "PrometheusText1.0.0",
    "PrometheusText0.0.4",
)

# Names that are no identifiers are read as they are; only the newer formats have them.
_AS_THEY_ARE = ";escaping=allow-utf-8"
_MEDIA: dict[ScrapeProtocol, str] = {
    "OpenMetricsText1.0.0": f"application/openmetrics-text;version=1.0.0{_AS_THEY_ARE}",
    "OpenMetricsText0.0.1": "application/openmetrics-text;version=0.0.1",
    "PrometheusText1.0.0": f"text/plain;version=1.0.0{_AS_THEY_ARE}",
    "PrometheusText0.0.4": "text/plain;version=0.0.4",
    "PrometheusProto": ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"),
}


def accept(protocols: Sequence[ScrapeProtocol]) -> str:
    """The Accept header for some protocols, the best one first."""
    weights = range(len(_MEDIA) + 1, 0, -1)
    wanted = [*(_MEDIA[protocol] for protocol in protocols), "*/*"]
    return ",".join(f"{media};q=0.{weight}" for media, weight in zip(wanted, weights, strict=False))


def format_of(place: str, content_type: str, fallback: Format | None) -> Format:
    """What a page claims to be. Anything but metrics is refused, unless told otherwise: a login page has status 200, too."""
    message = Message()
    message["Content-Type"] = content_type
    media, version = content_type.partition(";")[0].strip().lower(), message.get_param("version")
    if media == "application/openmetrics-text" and version in (None, "0.0.1", "1.0.0"):
        return "openmetrics"
    if media == "text/plain" and version in (None, "0.0.4", "1.0.0"):
        return "text"
    if (
        media == "application/vnd.google.protobuf"
        and message.get_param("proto") in (None, "io.prometheus.client.MetricFamily")
        and message.get_param("encoding") in (None, "delimited")
    ):
        return "protobuf"
    if fallback is not None:
        return fallback
    raise PermanentError(f"{place} answered {content_type[:100] or 'without a Content-Type'}, not metrics")

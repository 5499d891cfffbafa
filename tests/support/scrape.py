"""Metrics as Prometheus reads them."""

import httpx2
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families


class Scrape:
    """A parsed text. Prometheus' own parser rejects a text that is not in its format."""

    def __init__(self, text: str) -> None:
        self.families: dict[str, Metric] = {family.name: family for family in text_string_to_metric_families(text)}
        self._samples = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def value(self, sample: str, **labels: str) -> float | None:
        return self._samples.get((sample, tuple(sorted(labels.items()))))

    def labels(self, sample: str) -> set[str]:
        return {name for given, pairs in self._samples for name, _ in pairs if given == sample}


async def scrape(http: httpx2.AsyncClient) -> Scrape:
    answer = await http.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Scrape(answer.text)

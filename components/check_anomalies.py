"""Stops the run when ExampleValidator found anomalies; TFX by itself goes on."""

from pathlib import Path

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import ExampleAnomalies

from components.artifacts import Report, write_report
from sazon.errors import AnomaliesFound


def list_anomalies(folder: Path) -> list[str]:
    """One line for each anomaly below an ExampleAnomalies folder: `train, region: Unexpected string values…`."""
    lines = []
    for path in sorted(folder.glob("Split-*/SchemaDiff.pb")):
        found = anomalies_pb2.Anomalies.FromString(path.read_bytes())
        split = path.parent.name.removeprefix("Split-")
        lines += [f"{split}, {column}: {info.description}" for column, info in sorted(found.anomaly_info.items())]
        if found.HasField("dataset_anomaly_info"):
            lines.append(f"{split}: {found.dataset_anomaly_info.description}")
    return lines


@component
def CheckAnomalies(  # noqa: N802  TFX names components as classes
    anomalies: InputArtifact[ExampleAnomalies], checked: OutputArtifact[Report]
) -> None:
    """Raises AnomaliesFound with a readable list, or records that there were none."""
    lines = list_anomalies(Path(anomalies.uri))
    if lines:
        raise AnomaliesFound(
            "the data has anomalies, nothing was trained:\n" + "\n".join(f"  - {line}" for line in lines)
        )
    write_report(checked, {"anomalies": 0})

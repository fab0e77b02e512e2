"""Rules that change what TFX's compiler writes into what open-source Kubeflow Pipelines runs.

TFX's runner is written for a managed service that reads the same format and does more with it. Each rule changes the
plain dictionary of a PipelineSpec (`ir`, in place) or builds a part of the PlatformSpec beside it, and says in its
docstring what upstream does. No rule needs TFX. What only a running container can know is put right there, in
`pipelines.kubeflow.container`.
"""

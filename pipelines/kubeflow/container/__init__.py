"""What runs in a pod of Kubeflow Pipelines: TFX's own entrypoint between rules that mend what it does not know.

TFX wrote its entrypoint for Google's managed service. The launcher of the open-source Kubeflow hands out and expects
other things; each rule here mends one of them and names its cause. Only `task` imports TFX.
"""

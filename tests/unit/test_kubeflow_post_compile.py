"""The rules on the compiled pipeline, each on a small one made by hand; what upstream does is in their docstrings."""

import copy
import json

import pytest

from pipelines.kubeflow.arguments import parse_arguments
from pipelines.kubeflow.post_compile import caching, checks, containers, document, parameters, platform
from pipelines.kubeflow.post_compile.graph import component_of, container_of, tasks_of
from sazon.cluster import Resources, SecretVariable, Toleration
from sazon.errors import UserError

EXAMPLES = {"instanceSchema": "title: tfx.Examples\ntype: object\n"}


@pytest.fixture
def ir():
    """Two nodes as TFX compiles them: `Count` makes examples and a number, `Train` takes both and a path."""
    interface = {"parameters": {"steps": {"parameterType": "STRING"}, "base": {"parameterType": "STRING"}}}
    beam = ["--runner=FnApiRunner"]
    arguments = ["--executor_class_path", "m.E", "--json_serialized_invocation_args", "{{$}}"]
    return {
        "pipelineInfo": {"name": "taste-training"},
        "schemaVersion": "2.1.0",
        "root": {
            "dag": {
                "tasks": {
                    "Count": {"taskInfo": {"name": "Count"}, "componentRef": {"name": "Count"}},
                    "Train": {
                        "taskInfo": {"name": "Train"},
                        "componentRef": {"name": "Train"},
                        "dependentTasks": ["Count"],
                        "cachingOptions": {"enableCache": True},
                        "inputs": {
                            "artifacts": {
                                "examples": {
                                    "taskOutputArtifact": {"producerTask": "Count", "outputArtifactKey": "examples"}
                                }
                            },
                            "parameters": {
                                "steps": {
                                    "taskOutputParameter": {
                                        "producerTask": "Count_task",
                                        "outputParameterKey": "number",
                                    }
                                },
                                "base": {"componentInputParameter": "base"},
                            },
                        },
                    },
                }
            },
            "inputDefinitions": {"parameters": {"base": {"parameterType": "STRING"}}},
        },
        "components": {
            "Count": {
                "executorLabel": "Count_executor",
                "outputDefinitions": {
                    "artifacts": {"examples": {"artifactType": EXAMPLES}},
                    "parameters": {"number": {"parameterType": "NUMBER_INTEGER"}},
                },
            },
            "Train": {
                "executorLabel": "Train_executor",
                "inputDefinitions": {"artifacts": {"examples": {"artifactType": EXAMPLES}}, **copy.deepcopy(interface)},
            },
        },
        "deploymentSpec": {
            "executors": {
                "Count_executor": {
                    "container": {
                        "image": "cpu:1",
                        "args": [*arguments, *beam],
                        "lifecycle": {"preCacheCheck": {"command": ["python"]}},
                    }
                },
                "Train_executor": {
                    "container": {
                        "image": "cpu:1",
                        "args": [*arguments, "--json_serialized_inputs_spec_args", json.dumps(interface), *beam],
                    }
                },
            }
        },
    }


@pytest.fixture
def ruled(ir):
    parameters.name_producers(ir)
    parameters.copy_producer_types(ir)
    return ir


def producer(ir):
    return tasks_of(ir)["Train"]["inputs"]["parameters"]["steps"]["taskOutputParameter"]["producerTask"]


def test_the_producer_of_a_parameter_is_a_task_that_exists(ir):
    parameters.name_producers(ir)
    assert producer(ir) == "Count"
    parameters.name_producers(ir)
    assert producer(ir) == "Count"


def test_a_task_whose_own_name_ends_so_keeps_it(ir):
    tasks_of(ir)["Count_task"] = tasks_of(ir)["Count"]
    parameters.name_producers(ir)
    assert producer(ir) == "Count_task"


def test_a_number_of_an_upstream_task_stays_a_number(ruled):
    assert component_of(ruled, "Train")["inputDefinitions"]["parameters"]["steps"]["parameterType"] == "NUMBER_INTEGER"
    arguments = container_of(ruled, "Train")["args"]
    interface = json.loads(arguments[arguments.index("--json_serialized_inputs_spec_args") + 1])
    assert interface["parameters"]["steps"]["parameterType"] == "NUMBER_INTEGER"
    assert interface["parameters"]["base"]["parameterType"] == "STRING"


def test_a_parameter_of_the_pipeline_has_its_default(ir):
    parameters.write_defaults(ir, {"base": "/data"})
    assert parse_arguments(ir, []) == {}
    document.parse(document.as_yaml(ir, {}))


def test_what_a_driver_would_look_at_is_never_answered_from_the_cache(ir):
    caching.never_cache(ir, ["Count", "Train"])
    assert [task["cachingOptions"]["enableCache"] for task in tasks_of(ir).values()] == [False, False]


def test_the_digest_is_on_every_command_line_before_beams_flags(ir):
    caching.key_by_digest(ir, "data:1,code:2")
    for task in ("Count", "Train"):
        arguments = container_of(ir, task)["args"]
        place = arguments.index("--cache_digest")
        assert arguments[place + 1] == "data:1,code:2"
        assert place < arguments.index("--runner=FnApiRunner")
    assert container_of(ir, "Train")["args"][5].startswith("{")  # after its flag, as before


def test_nothing_is_left_that_only_the_managed_service_calls(ir):
    containers.drop_drivers(ir)
    assert "lifecycle" not in json.dumps(ir)


def test_a_gpu_task_gets_image_and_accelerator_and_no_other_does(ir):
    containers.use_gpu(ir, "Train", "gpu:1", "nvidia.com/gpu", 2)
    accelerator = container_of(ir, "Train")["resources"]["accelerator"]
    assert accelerator == {
        "type": "nvidia.com/gpu",
        "count": "2",
        "resourceType": "nvidia.com/gpu",
        "resourceCount": "2",
    }
    assert (container_of(ir, "Train")["image"], container_of(ir, "Count")["image"]) == ("gpu:1", "cpu:1")
    assert "resources" not in container_of(ir, "Count")


@pytest.mark.parametrize(
    ("cpu", "memory", "numbers"),
    [("500m", "16Gi", (0.5, 17.179869184)), ("4", "2G", (4.0, 2.0)), ("1.5", "512M", (1.5, 0.512))],
)
def test_resources_are_the_same_in_both_forms(ir, cpu, memory, numbers):
    containers.set_resources(ir, "Train", Resources(cpu=cpu, memory=memory))
    found = container_of(ir, "Train")["resources"]
    for kind in ("Request", "Limit"):
        assert (found[f"cpu{kind}"], found[f"memory{kind}"]) == numbers
        assert (found[f"resourceCpu{kind}"], found[f"resourceMemory{kind}"]) == (cpu, memory)


def test_a_variable_of_one_task_wins_over_that_of_all(ir):
    containers.set_environment(ir, {"A": "1", "B": "2"})
    containers.set_environment(ir, {"A": "3"}, "Train")
    assert container_of(ir, "Train")["env"] == [{"name": "A", "value": "3"}, {"name": "B", "value": "2"}]
    assert container_of(ir, "Count")["env"][0] == {"name": "A", "value": "1"}


def test_a_failed_task_is_tried_again_later(ir):
    containers.retry(ir, 0)
    assert "retryPolicy" not in json.dumps(ir)
    containers.retry(ir, 3, never=["Train"])
    assert "retryPolicy" not in tasks_of(ir)["Train"]
    containers.retry(ir, 3)
    assert {task["retryPolicy"]["maxRetryCount"] for task in tasks_of(ir).values()} == {3}
    document.parse(document.as_yaml(ir, {}))


def test_the_second_document_places_pods_and_parses_as_kubernetes_configuration(ruled):
    executors = platform.executors_like(ruled)
    platform.mount_claim(executors, "sazon-state", "/var/lib/sazon")
    platform.add_secrets(executors, [SecretVariable(variable="KEY", secret="object-store", key="secret-key")])
    labels = platform.labels_of(ruled, ["Train"])
    tolerations = [
        Toleration(key="spot", value="true", effect="NoExecute", toleration_seconds=60),
        Toleration(operator="Exists"),
    ]
    platform.place_on_nodes(executors, labels, {"gpu": "a100"}, tolerations)
    platform.share_memory(executors, labels)
    found, second = document.parse(document.as_yaml(ruled, platform.as_document(executors)))
    checks.check(found, second)
    train, count = (document.executors_in(second)[f"{name}_executor"] for name in ("Train", "Count"))
    assert train["nodeSelector"] == {"labels": {"gpu": "a100"}}
    assert train["tolerations"][0]["tolerationSeconds"] == "60"
    assert [mount["mountPath"] for mount in train["emptyDirMounts"]] == ["/dev/shm"]
    assert count.keys() == {"pvcMount", "secretAsEnv"}
    assert count["pvcMount"][0]["pvcNameParameter"]["runtimeValue"]["constant"] == "sazon-state"


def with_platform(ir, label, config):
    return document.as_yaml(ir, platform.as_document({label: config}))


@pytest.mark.parametrize(
    "config",
    [{"tolerationz": []}, {"tolerations": [{"key": "a", "efect": "NoSchedule"}]}, {"nodeSelector": {"label": {}}}],
)
def test_a_typing_mistake_in_the_free_struct_is_found(ruled, config):
    with pytest.raises(UserError, match="not what Kubeflow reads"):
        document.parse(with_platform(ruled, "Train_executor", config))


@pytest.mark.parametrize("text", ["", "3", "a: [", "{}", "- a", "root: {}\n---\n{}\n---\n{}"])
def test_what_is_no_pipeline_is_one_line(text):
    with pytest.raises(UserError):
        document.parse(text)


def _without(part):
    def damage(ir):
        *path, last = part
        for key in path:
            ir = ir[key]
        ir[last] = None

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        _without(["pipelineInfo"]),
        _without(["root"]),
        _without(["root", "dag"]),
        _without(["deploymentSpec"]),
        lambda ir: ir["pipelineInfo"].clear(),
        lambda ir: ir["components"].clear(),
        lambda ir: ir["deploymentSpec"]["executors"].popitem(),
    ],
)
def test_a_damaged_pipeline_is_one_line(ruled, damage):
    damage(ruled)
    with pytest.raises(UserError, match=r"not there|has no"):
        document.parse(document.as_yaml(ruled, {"platforms": None}))


def test_an_unknown_field_of_the_first_document_is_found(ruled):
    tasks_of(ruled)["Train"]["cacheOptions"] = {}
    with pytest.raises(UserError, match="cacheOptions"):
        document.parse(document.as_yaml(ruled, {}))


def break_node_name(ir):
    tasks_of(ir)["my_step"] = tasks_of(ir)["Count"]


def break_pipeline_name(ir):
    ir["pipelineInfo"]["name"] = "taste_training"


def break_version(ir):
    ir["schemaVersion"] = "2.0.0"


def break_executor(ir):
    ir["deploymentSpec"]["executors"]["Count_executor"] = {"resolver": {}}


def break_producer(ir):
    tasks_of(ir)["Train"]["inputs"]["artifacts"]["examples"]["taskOutputArtifact"]["producerTask"] = "Cuont"


def break_output(ir):
    tasks_of(ir)["Train"]["inputs"]["artifacts"]["examples"]["taskOutputArtifact"]["outputArtifactKey"] = "example"


def break_type(ir):
    schema = {"instanceSchema": "title: tfx.Model\n"}
    component_of(ir, "Count")["outputDefinitions"]["artifacts"]["examples"]["artifactType"] = schema


def break_order(ir):
    tasks_of(ir)["Train"]["dependentTasks"] = []


def break_condition(ir):
    tasks_of(ir)["Train"]["triggerPolicy"] = {"condition": "inputs.artifacts['a'].artifacts[0].value == 1.0"}


def break_title(ir):
    schema = {"instanceSchema": "title: SazonReport\n"}
    component_of(ir, "Count")["outputDefinitions"]["artifacts"]["examples"]["artifactType"] = schema


def break_properties(ir):
    schema = {"instanceSchema": "title: components.Report\nproperties: {a: {type: int}}\n"}
    component_of(ir, "Count")["outputDefinitions"]["artifacts"]["examples"]["artifactType"] = schema


def break_module_file(ir):
    component_of(ir, "Train")["inputDefinitions"]["parameters"]["module_file"] = {"parameterType": "STRING"}
    given = tasks_of(ir)["Train"]["inputs"]["parameters"]
    given["module_file"] = {"runtimeValue": {"constant": "/home/me/trainer.py"}}


def break_executor_class(ir):
    container_of(ir, "Train")["args"][1] = "__main__.Train_Executor"


def break_parameter_type(ir):
    component_of(ir, "Train")["inputDefinitions"]["parameters"]["steps"]["parameterType"] = "STRING"


def break_parameter_source(ir):
    tasks_of(ir)["Train"]["inputs"]["parameters"]["base"]["componentInputParameter"] = "bsae"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (break_node_name, "my_step"),
        (break_pipeline_name, "taste_training"),
        (break_version, "schemaVersion 2.0.0"),
        (break_executor, "resolver"),
        (break_producer, "Cuont"),
        (break_output, "no output"),
        (break_type, "another type"),
        (break_order, "does not wait"),
        (break_condition, "custom_property"),
        (break_title, "importable"),
        (break_properties, "PROPERTIES"),
        (break_module_file, "module_file"),
        (break_executor_class, "__main__"),
        (break_parameter_type, "STRING"),
        (break_parameter_source, "bsae"),
    ],
)
def test_what_would_fail_on_a_cluster_is_one_line_here(ruled, change, complaint):
    checks.check(ruled, {})
    change(ruled)
    with pytest.raises(UserError, match=complaint) as caught:
        checks.check(ruled, {})
    assert "\n" not in str(caught.value)


def test_tfx_s_own_producer_and_type_are_refused(ir):
    with pytest.raises(UserError, match="Count_task"):
        checks.check(ir, {})
    parameters.name_producers(ir)
    with pytest.raises(UserError, match="NUMBER_INTEGER"):
        checks.check(ir, {})


def test_a_label_of_no_executor_is_refused(ruled):
    found, second = document.parse(with_platform(ruled, "Trian_executor", {"nodeSelector": {"labels": {}}}))
    with pytest.raises(UserError, match="Trian_executor"):
        checks.check(found, second)


def test_arguments_are_checked_against_the_parameters(ir):
    known = ir["root"]["inputDefinitions"]["parameters"]
    known |= {"rows": {"parameterType": "NUMBER_INTEGER"}, "fast": {"parameterType": "BOOLEAN", "defaultValue": True}}
    assert parse_arguments(ir, ["base=/a=b", "rows=3"]) == {"base": "/a=b", "rows": 3}
    for given, complaint in (
        (["base=/a", "rows=3.5"], "integer"),
        (["base=/a", "rows=true"], "integer"),
        (["base=/a", "rows=3", "fast=yes"], "boolean"),
        (["base=/a", "row=3"], "only base, fast, rows"),
        (["base=/a"], '"rows" of the pipeline has no default'),
        (["base"], "name=value"),
    ):
        with pytest.raises(UserError, match=complaint):
            parse_arguments(ir, given)

"""A graph is checked before it runs, and all its problems are told at once."""

import pytest
from rife_video.workflows.graph import WorkflowError, order, problems, set_input


def node_class(required=None, optional=None, returns=(), output=False, **more):
    def input_types(cls):
        return {"required": required or {}, "optional": optional or {}}

    members = {"INPUT_TYPES": classmethod(input_types), "RETURN_TYPES": returns} | more
    return type("Node", (), members | {"OUTPUT_NODE": output})


def checked(cls, name):
    return True if name == "good" else f"{name!r} is not good."


CLASSES = {
    "Number": node_class({"value": ("INT", {"min": 0, "max": 9})}, returns=("INT", "FLOAT")),
    "Picture": node_class({"name": ("STRING", {})}, returns=("IMAGE",)),
    "Mix": node_class(
        {"a": ("IMAGE",), "mode": (["add", "mean"], {})},
        {"b": ("IMAGE",), "gain": ("FLOAT", {"max": 2.0}), "any": ("*",)},
        returns=("IMAGE",),
    ),
    "Checked": node_class(
        {"name": (["good", "bad"],)}, returns=("IMAGE",), VALIDATE_INPUTS=classmethod(checked)
    ),
    "Show": node_class({"image": ("IMAGE",)}, output=True),
}


def graph(**changes):
    """Number and Picture feed Mix feeds Show; changes are NODE_INPUT=value, None removes."""
    nodes = {
        "number": {"class_type": "Number", "inputs": {"value": 3}},
        "picture": {"class_type": "Picture", "inputs": {"name": "x"}, "_meta": {"title": "A cat"}},
        "mix": {
            "class_type": "Mix",
            "inputs": {"a": ["picture", 0], "mode": "add", "gain": ["number", 1]},
        },
        "show": {"class_type": "Show", "inputs": {"image": ["mix", 0]}},
    }
    for key, value in changes.items():
        node, _, name = key.partition("_")
        nodes[node]["inputs"][name] = value
        if value is None:
            del nodes[node]["inputs"][name]
    return nodes


def found(broken):
    return {(p.node, p.input): p.message for p in problems(broken, CLASSES)}


def test_a_sound_graph_has_no_problems():
    assert problems(graph(), CLASSES) == []
    assert problems(graph(mix_any=["number", 0], number_value="7"), CLASSES) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"number_value": None}, "missing"),
        ({"number_value": 10}, "largest allowed is 9"),
        ({"number_value": -1}, "smallest allowed is 0"),
        ({"number_value": "many"}, "must be INT"),
        ({"number_value": float("inf")}, "must be INT"),
        ({"mix_mode": "divide"}, "one of add, mean"),
        ({"mix_a": None}, "missing"),
        ({"mix_a": "x.png"}, "takes a link of type IMAGE"),
        ({"mix_a": ["number", 0]}, "takes IMAGE, but output 0 of node number is INT"),
        ({"mix_a": ["picture", 1]}, "has 1 outputs"),
        ({"mix_a": ["picture", -1]}, "has 1 outputs"),
        ({"mix_a": ["nobody", 0]}, "does not exist"),
        ({"mix_a": ["picture"]}, "a link is"),
        ({"mix_a": ["picture", "0"]}, "a link is"),
        ({"mix_gain": 2.5}, "largest allowed is 2.0"),
    ],
)
def test_each_problem_is_found_where_it_is(changes, says):
    (key,) = changes
    node, _, name = key.partition("_")
    (place, message), *others = found(graph(**changes)).items()
    assert place == (node, name)
    assert says in message
    assert not others


def test_all_problems_are_told_at_once():
    broken = graph(number_value=99, mix_mode="divide", mix_gain=["number", 5], picture_name=None)
    assert set(found(broken)) == {
        ("mix", "mode"),
        ("mix", "gain"),
        ("picture", "name"),
        ("number", "value"),
    }


def test_unknown_nodes():
    broken = graph()
    broken["picture"]["class_type"] = "Pictures"
    broken["lost"] = {"inputs": {}}
    assert "Is Picture meant?" in found(broken)["picture", ""]
    assert "class_type" in found(broken)["lost", ""]


def test_a_graph_needs_an_output():
    broken = graph()
    del broken["show"]
    assert "SaveVideo" in found(broken)["", ""]


def test_what_no_output_needs_is_left_alone():
    spare = graph()
    spare["spare"] = {"class_type": "Number", "inputs": {"value": 99}}
    assert problems(spare, CLASSES) == []
    assert "spare" not in order(spare, CLASSES)


def test_cycles_are_shown():
    broken = graph(mix_b=["twin", 0])
    broken["twin"] = {"class_type": "Mix", "inputs": {"a": ["mix", 0], "mode": "add"}}
    (problem,) = problems(broken, CLASSES)
    assert problem.node in ("mix", "twin")
    assert problem.message.count("mix") + problem.message.count("twin") == 3
    (own,) = problems(graph(mix_b=["mix", 0]), CLASSES)
    assert "mix -> mix" in own.message


def test_a_node_checks_its_own_inputs():
    own = graph(mix_b=["own", 0])
    own["own"] = {"class_type": "Checked", "inputs": {"name": "anything"}}
    assert found(own) == {("own", "name"): "'anything' is not good."}
    own["own"]["inputs"]["name"] = "good"
    assert found(own) == {}


def test_order_is_by_links_however_long_the_chain():
    chain = {"0": {"class_type": "Picture", "inputs": {"name": "x"}}}
    for i in range(1, 3000):
        inputs = {"a": [str(i - 1), 0], "mode": "add"}
        chain[str(i)] = {"class_type": "Mix", "inputs": inputs}
    chain["show"] = {"class_type": "Show", "inputs": {"image": ["2999", 0]}}
    backwards = dict(reversed(chain.items()))
    assert problems(backwards, CLASSES) == []
    assert order(backwards, CLASSES) == list(chain)


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("number.value=4", 4),
        ("Number.value=4", 4),
        ("A cat.name=4", "4"),
        ("picture.name=a=b.c", "a=b.c"),
        ("mix.mode=mean", "mean"),
        ("mix.gain=1.5", 1.5),
        ('mix.gain=["number", 0]', ["number", 0]),
    ],
)
def test_set_input(assignment, value):
    changed = graph()
    set_input(changed, CLASSES, assignment)
    name = assignment.partition("=")[0].rpartition(".")[2]
    assert value in [node["inputs"].get(name) for node in changed.values()]


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("nobody.value=4", "no node is called 'nobody'"),
        ("number.size=4", "Number has no input 'size', but value"),
        ("Mix.mode=add", "nodes mix, second are called 'Mix'"),
        ("value=4", "should look like"),
        ("number.value", "should look like"),
    ],
)
def test_set_input_refuses(assignment, says):
    two = graph()
    two["second"] = two["mix"]
    with pytest.raises(WorkflowError, match=says):
        set_input(two, CLASSES, assignment)

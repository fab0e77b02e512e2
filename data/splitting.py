"""The split into train, eval and test: what belongs together is never divided, and the test comes last in time."""

import pandas as pd

from sazon.schema import SPLITS
from sazon.text import normalise_for_grouping


def assign_splits(feedback: pd.DataFrame, eval_share: float, test_share: float) -> pd.Series:
    """Gives every row its split.

    A filled `split` column is honoured, but for a text that it has on several sides: its rows all go to the side that
    is held out the most, test before eval before train (`keep_together`). Otherwise rows are grouped, by `family`
    where the file has one and by normalised text in any case, groups are ordered by their latest row, and the latest
    groups become the test set, the ones before them the eval set. So no text and no family is on two sides, and the
    test looks ahead in time.

    Args:
        feedback: as from `read_feedback`.
        eval_share: share of rows for eval, 0–1.
        test_share: share of rows for test, 0–1.

    Returns:
        A str series over the same index, values of `schema.SPLITS`.
    """
    if has_splits(feedback):
        return keep_together(feedback)
    groups = _group_keys(feedback)
    latest = feedback["created_at"].groupby(groups).max()
    sizes = groups.value_counts()
    order = latest.reset_index(name="at").sort_values(["at", groups.name], ascending=False)[groups.name]
    before = (sizes.loc[order].cumsum() - sizes.loc[order]) / len(feedback)
    split_of = pd.Series("train", index=order)
    split_of[before < round(test_share + eval_share, 9)] = "eval"
    split_of[before < round(test_share, 9)] = "test"
    return groups.map(split_of).rename("split")


def has_splits(feedback: pd.DataFrame) -> bool:
    """Whether the file brought its own `split`."""
    return "split" in feedback and bool((feedback["split"] != "").all())


def keep_together(feedback: pd.DataFrame) -> pd.Series:
    """The `split` column with every normalised text on one side only.

    A model that has read a text in training shows nothing by answering it; so a text that is held out anywhere is
    held out everywhere.

    >>> rows = pd.DataFrame({"text": ["¡Rico!", "rico", "feo"], "split": ["train", "test", "train"]})
    >>> keep_together(rows).tolist()
    ['test', 'test', 'train']
    """
    side = feedback["split"].map(SPLITS.index)
    held_out = side.groupby(feedback["text"].map(normalise_for_grouping)).transform("max")
    return held_out.map(dict(enumerate(SPLITS))).rename("split")


def _group_keys(feedback: pd.DataFrame) -> pd.Series:
    """One key a row: rows that share a family or a normalised text, directly or through others, share the key."""
    texts = feedback["text"].map(normalise_for_grouping)
    if "family" not in feedback or (feedback["family"] == "").all():
        return texts.rename("group")
    # Small union-find by relabelling: a text seen in two families joins them.
    family = feedback["family"].where(feedback["family"] != "", "text:" + texts)
    root = {name: name for name in family}

    def find(name: str) -> str:
        while root[name] != name:
            root[name] = root[root[name]]
            name = root[name]
        return name

    first_family: dict[str, str] = {}
    for text, name in zip(texts, family, strict=True):
        root[find(name)] = find(first_family.setdefault(text, name))
    return family.map(find).rename("group")

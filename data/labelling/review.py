"""What stands in the book at a moment: who counts, what waits, what is settled."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from data.labelling.adjudication import Outcome, State, decide
from data.labelling.agreement import Agreement, measure_agreement
from data.labelling.book import Annotation, Annotator, Item, Label, LabelBook
from data.labelling.gold import MIN_ACCURACY, Standing, judge_annotators, mix_in


@dataclass(frozen=True)
class Review:
    """A reading of a book; `outcomes` are by task, gold questions not among them."""

    items: list[Item]
    annotations: list[Annotation]
    annotators: list[Annotator]
    outcomes: dict[str, Outcome]

    @classmethod
    def of(cls, book: LabelBook) -> "Review":
        """Decides on every text of a book; annotators who are left out have no vote."""
        items, annotations, annotators = book.items(), book.annotations(), book.annotators()
        silent = {one.name for one in annotators if one.left_out}
        adjudicators = {one.name for one in annotators if one.adjudicates} - silent
        votes: dict[str, list[Annotation]] = defaultdict(list)
        for annotation in annotations:
            if annotation.annotator not in silent:
                votes[annotation.task].append(annotation)
        outcomes = {
            item.task: decide(votes[item.task], item.wanted, adjudicators) for item in items if not item.is_gold
        }
        return cls(items, annotations, annotators, outcomes)

    @property
    def gold(self) -> list[Item]:
        """Gold questions, those that fewest answered first."""
        answers = Counter(annotation.task for annotation in self.annotations)
        return sorted((item for item in self.items if item.is_gold), key=lambda item: (answers[item.task], item.task))

    def waiting(self) -> list[Item]:
        """Texts that need an annotator: tied ones first, then in the order of the queue."""
        found = [item for item in self.items if not item.is_gold]
        order = {State.TIED: 0, State.WAITING: 1}
        left = [item for item in found if self.outcomes[item.task].state in order]
        return sorted(left, key=lambda item: order[self.outcomes[item.task].state])

    def tasks(self, size: int | None, gold_share: float, annotator: str | None = None) -> list[Item]:
        """What to hand out: texts that wait, and gold questions among them.

        Args:
            size: texts at most.
            gold_share: gold questions per text.
            annotator: who gets them; nothing that this one labelled is among them.
        """
        done = {one.task for one in self.annotations if one.annotator == annotator}
        waiting = [item for item in self.waiting() if item.task not in done][:size]
        guessed = any(item.model for item in waiting)  # a gold question without a guess would tell itself
        gold = [item for item in self.gold if item.task not in done and (item.model or not guessed)]
        return mix_in(waiting, gold, gold_share)

    def labels(self) -> dict[str, Label]:
        """Settled labels by `feedback_id`."""
        found = ((item.feedback_id, self.outcomes[item.task].label) for item in self.items if not item.is_gold)
        return {name: label for name, label in found if label is not None}

    def agreement(self) -> Agreement:
        """Of those who count and do not adjudicate: an adjudicator knows what the others said."""
        names = {one.name for one in self.annotators if not (one.left_out or one.adjudicates)}
        votes = [one for one in self.annotations if one.annotator in names and one.task in self.outcomes]
        return measure_agreement(votes)

    def standings(self, min_accuracy: float = MIN_ACCURACY) -> list[Standing]:
        """How annotators do on gold questions."""
        return judge_annotators(self.items, self.annotations, self.annotators, min_accuracy)


def read_labels(book: LabelBook) -> dict[str, Label]:
    """Settled labels by `feedback_id`: what a training adds to the feedback store."""
    return Review.of(book).labels()

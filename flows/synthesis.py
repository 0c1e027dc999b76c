"""Flow of the synthesis stage: one synthetic dataset for each request."""

from flows.inputs import dataset_facts, embedding_access, pseudonyms_of
from flows.stage import DATA, Context, run
from sediff.datasheet.describe import describe_dataset
from sediff.synthesis.generator import EcgGenerator
from sediff.synthesis.request import RequestRow, cohort_request, prompt_request
from sediff.synthesis.synthesize import synthesize
from sediff.vocabulary import Vocabulary

SPLITS = {"evaluation": "test", "augmentation": "train"}


def synthesis(context: Context) -> str:
    """Make the records of one request: `evaluation`, `augmentation` or `dataset`."""
    params, vocabulary = context.params, Vocabulary.load()
    summary = synthesize(
        context.item,
        _rows(context, vocabulary),
        params.synthesis.sampler,
        EcgGenerator.load(DATA, vocabulary, context.computing_device, embedding_access(params)),
        context.out,
        context.report,
        context.work,
        params.reproducibility.seed,
        context.fingerprint,
    )
    request = params.synthesis.model_dump(mode="json")[context.item]
    describe_dataset(context.out, dataset_facts(params, context.item, request))
    return summary


def _rows(context: Context, vocabulary: Vocabulary) -> list[RequestRow]:
    params, knowledge, pseudonyms = context.params.synthesis, DATA / "knowledge", pseudonyms_of(context.params)
    if context.item == "dataset":
        # Without the index: it is approximate, and a dataset's bytes may rest on exact similarities only.
        return prompt_request(params.dataset, vocabulary, knowledge, None, pseudonyms)
    request = params.evaluation if context.item == "evaluation" else params.augmentation
    seed = context.params.reproducibility.seed
    return cohort_request(request, SPLITS[context.item], DATA / "corpus", knowledge, seed, pseudonyms)


if __name__ == "__main__":
    run(synthesis, computes=True, items=("evaluation", "augmentation", "dataset"))

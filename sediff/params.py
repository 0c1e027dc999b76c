"""params.yaml: every section, typed and checked, and the errors a user sees."""

import difflib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from sediff.augmentation.params import AugmentationParams
from sediff.autoencoder.params import AutoencoderParams
from sediff.cohort.params import CohortParams
from sediff.corpus.params import CorpusParams
from sediff.diffusion.params import DiffusionParams
from sediff.encoder.params import EncoderParams
from sediff.endpoint import checked_address
from sediff.errors import UserError
from sediff.evaluation.params import EvaluationParams
from sediff.files import replacing
from sediff.knowledge.params import KnowledgeParams
from sediff.publication.params import PublicationParams
from sediff.report.params import GatesParams
from sediff.section import Items, Section
from sediff.simulator.params import SimulatorParams
from sediff.synthesis.params import SynthesisParams
from sediff.synthesis.schema import Part, RequestFile, place_of

PARAMS = Path("params.yaml")
Address = Annotated[str, AfterValidator(checked_address)]
ServerAddress = Annotated[str, AfterValidator(partial(checked_address, path=False))]
INTERVALS = ("pr", "qrs", "qt")  # keys of a request that only models with a morphology can follow


class ReproducibilityParams(Section):
    """What all computing stages depend on."""

    seed: int = Field(0, ge=0, lt=2**63)
    threads: int = Field(2, ge=1, le=256, description="threads of a computing stage; other counts give other last bits")
    training_processes: int = Field(1, ge=1, le=64, description="processes that train together, one a GPU")


class PseudonymsParams(Section):
    """What stages depend on that write ids of restricted sources."""

    key: str = Field(
        "", pattern=r"^([0-9a-f]{16})?$", description="identifier of the team's key; empty: no source is restricted"
    )


class RuntimeParams(Section):
    """Where and how the pipeline runs. No stage depends on it.

    The endpoints matter to the llm distiller and to texts embedded by openai only, whose answers are kept and never
    asked for twice.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    workers: int = Field(2, ge=1, le=1024, description="processes that read recordings")
    runner: Literal["processes", "dask", "ray"] = Field("processes", description="dask and ray are extras")
    checkpoint_every: int = Field(200, ge=1, description="steps of a training between its checkpoints")
    stage_time_limit: float = Field(
        4 * 3600, gt=0, description="s, after which a stage stops, to go on at the next run"
    )
    disk_reserve: float = Field(
        1.0, ge=0, description="GB that stay free when a stage starts, besides what it may need"
    )
    server_start_limit: float = Field(120, gt=0, description="s that the loopback Prefect server has to come up")
    chroma: ServerAddress = Field(
        "", description="address of a Chroma server, such as http://127.0.0.1:8000; empty: embedded, in .sediff/chroma"
    )
    llm_base_url: Address = Field("", description="OpenAI-compatible endpoint; empty: the offline distiller")
    llm_concurrency: int = Field(4, ge=1, le=256, description="calls at a time, of all runs at one Prefect server")
    llm_timeout: float = Field(120, gt=0, le=3600, description="s, of each try")
    llm_input_price: float = Field(0, ge=0, description="US dollars for a million tokens of prompts")
    llm_output_price: float = Field(0, ge=0, description="US dollars for a million tokens of answers")
    embedding_base_url: Address = Field("", description="OpenAI-compatible endpoint of encoder.conditioner.text openai")
    llm_allowed_hosts: Items[str] = Field((), description="hosts that may see records of restricted sources")
    openlineage_url: ServerAddress = Field("", description="server that is told of stages; empty: runs/ alone is")


class Params(Section):
    """All of params.yaml."""

    reproducibility: ReproducibilityParams = ReproducibilityParams()
    cohort: CohortParams = CohortParams()
    corpus: CorpusParams
    pseudonyms: PseudonymsParams = PseudonymsParams()
    simulator: SimulatorParams = SimulatorParams()
    knowledge: KnowledgeParams = KnowledgeParams()
    encoder: EncoderParams = EncoderParams()
    autoencoder: AutoencoderParams = AutoencoderParams()
    diffusion: DiffusionParams = DiffusionParams()
    synthesis: SynthesisParams = SynthesisParams()
    evaluation: EvaluationParams = EvaluationParams()
    augmentation: AugmentationParams = AugmentationParams()
    gates: GatesParams = GatesParams()
    publication: PublicationParams = PublicationParams()
    runtime: RuntimeParams = RuntimeParams()

    @model_validator(mode="after")
    def _can_follow_intervals(self) -> Self:
        asked = self.synthesis.dataset
        if self.diffusion.denoiser.morphology or isinstance(asked, RequestFile):  # which is read where it is made
            return self
        asking = next((number for number, part in enumerate(asked, start=1) if asks_intervals(part)), None)
        if asking:
            raise ValueError(
                f"synthesis.dataset: row {asking} asks for {', '.join(INTERVALS)} or one of them, which only models "
                "with a morphology follow: set diffusion.denoiser.morphology to true, or leave them out"
            )
        return self

    @property
    def restricted(self) -> list[str]:
        """Names of the sources that others may not see."""
        return [source.name for source in self.corpus.sources if source.sharing == "restricted"]

    @classmethod
    def load(cls, path: Path = PARAMS) -> Self:
        """Read and check a params.yaml.

        Raises:
            UserError: names the parameter, its value and what is allowed.
        """
        return cls.check(_read(path), path)

    @classmethod
    def check(cls, values: Any, path: Path) -> Self:
        """Check plain values as they stand in `path`."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise UserError(f"{path}: {_sentence(error)}") from None


def asks_intervals(part: Part) -> bool:
    """Whether a part of a request asks for an interval."""
    return any(getattr(part, name, None) is not None for name in INTERVALS)


def set_params(path: Path, assignments: Sequence[str]) -> list[str]:
    """Change parameters by `section.key=value`, keeping comments; nothing is written unless all are valid.

    Returns:
        A line for each change.

    Raises:
        UserError: an assignment is malformed, names no parameter, or has a value that is not allowed.
    """
    document, changes = _changed(path, assignments)
    if changes:
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
            _yaml().dump(document, stream)
    return changes


def check_assignments(path: Path, assignments: Sequence[str]) -> None:
    """Refuse what `set_params` would refuse, and write nothing."""
    _changed(path, assignments)


def _changed(path: Path, assignments: Sequence[str]) -> tuple[Any, list[str]]:
    """The document with the assignments made and checked, and a line for each."""
    document, changes = _read(path), []
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator or "." not in key:
            raise UserError(f"--set {assignment}: write section.key=value, for example diffusion.steps=500.")
        changes.append(_assign(document, key.strip().split("."), _value(text, assignment), path))
    if changes:
        Params.check(_plain(document), path)
    return document, changes


def _assign(document: Any, keys: list[str], value: Any, path: Path) -> str:
    node, rest = document, list(keys)
    while len(rest) > 1:
        if not isinstance(node, dict):
            raise UserError(f"{path}: {'.'.join(keys[: -len(rest)])} is no section: set it as a whole.")
        # A gate's name has dots of its own: the longest name that is there counts.
        length = next((n for n in range(len(rest), 0, -1) if ".".join(rest[:n]) in node), 0)
        if length == 0:
            known = ".".join(keys[: len(keys) - len(rest) + 1])
            raise UserError(f"{path}: there is no parameter {known}{_nearest(rest[0], node)}.")
        name, rest = ".".join(rest[:length]), rest[length:]
        if not rest:
            rest = [name]
            break
        node = node[name]
    if not isinstance(node, dict):
        raise UserError(f"{path}: {'.'.join(keys[: -len(rest)])} is no section: set it as a whole.")
    before = node.get(rest[0])
    node[rest[0]] = value
    return f"{'.'.join(keys)}: {_plain(before)} → {_plain(value)}"


def _read(path: Path) -> Any:
    try:
        document = _yaml().load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run from the project's folder.") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no YAML ({' '.join(str(error).split())}): mend it.") from None
    if not isinstance(document, dict):
        raise UserError(f"{path} holds no sections: restore it from git.")
    return document


def _value(text: str, assignment: str) -> Any:
    if not text.strip():
        return ""  # which YAML takes for null
    try:
        return _yaml().load(text)  # keeps the style in which a list is written
    except YAMLError:
        raise UserError(f"--set {assignment}: the value is no YAML; quote it.") from None


def _yaml() -> YAML:
    yaml = YAML()
    yaml.width = 120
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _plain(node: Any) -> Any:
    """ruamel's containers as plain ones, whose errors read better."""
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    return [_plain(value) for value in node] if isinstance(node, list) else node


def _sentence(error: ValidationError) -> str:
    """The first fault as one sentence that names the parameter."""
    first = error.errors()[0]
    name = place_of(first["loc"])
    if first["type"] == "extra_forbidden":
        return f"there is no parameter {name}{_nearest(name.rsplit('.', 1)[-1], _names(Params, first['loc'][:-1]))}."
    if first["type"] == "missing":
        return f"the parameter {name} is missing."
    value, message = first["input"], first["msg"].removeprefix("Value error, ").replace("valid tuple", "list")
    if first["type"] == "value_error":
        return f"{name}: {message}." if name else f"{message}."
    shown = "" if isinstance(value, dict) else f" is {value!r}, but"
    return f"{name}{shown} {message[:1].lower()}{message[1:]}."


def _names(section: Any, location: tuple) -> list[str]:
    """Names of the parameters at a place of params.yaml; empty below lists."""
    for part in location:
        field = getattr(section, "model_fields", {}).get(part)
        section = field.annotation if field else None
    return list(getattr(section, "model_fields", {}))


def _nearest(name: str, names: Any) -> str:
    close = difflib.get_close_matches(name, [str(n) for n in names or []], 1)
    return f"; did you mean {close[0]}?" if close else ""

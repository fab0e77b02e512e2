"""The peer of `benchmarks.personal`: scrubadub 2, run by an interpreter that has it; texts in and spans out as JSON."""

import json
import sys
import time

import scrubadub

_KINDS = {"email": "CORREO", "phone": "TELEFONO", "credit_card": "TARJETA", "twitter": "USUARIO", "url": "ENLACE"}


def main() -> None:
    """Reads a list of texts, writes `{"seconds", "spans"}`; a span is start, end, kind."""
    texts = json.load(sys.stdin)
    scrubber = scrubadub.Scrubber(locale="es_PE")
    started_s = time.process_time()
    found = [list(scrubber.iter_filth(text)) for text in texts]
    seconds = time.process_time() - started_s
    spans = [[(filth.beg, filth.end, _KINDS.get(filth.type, filth.type)) for filth in one] for one in found]
    json.dump({"seconds": seconds, "spans": spans}, sys.stdout)


if __name__ == "__main__":
    main()

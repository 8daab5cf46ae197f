"""What is written: the same numbers for everyone. writer.c makes them too."""
import dataclasses

import numpy

LAYER_DOUBLES = 8


@dataclasses.dataclass(frozen=True)
class Workload:
    writers: int
    steps: int  # of all writers together
    doubles: int = 8
    layers: int = 0
    kind: str = "float"  # or "full": see writer.c

    @property
    def each(self):
        return self.steps // self.writers

    @property
    def rows(self):
        """Rows of a table with a row a step, and a row a layer."""
        return self.each * self.writers * (1 + self.layers)

    @property
    def title(self):
        layers = f", {self.layers} layers" if self.layers else ""
        writers = "1 writer" if self.writers == 1 else f"{self.writers} writers"
        return f"{self.steps:,} steps, {self.doubles} doubles, {writers}{layers}, {self.kind}"

    def step_columns(self, writer, begin, end):
        """doubles arrays, of the steps begin .. end-1 of a writer."""
        return self._columns(writer, numpy.arange(begin, end, dtype=numpy.uint64), self.doubles)

    def layer_columns(self, writer, begin, end):
        """(step, layer, 8 arrays) of the rows of the layers of those steps."""
        rows = numpy.arange(begin * self.layers, end * self.layers, dtype=numpy.uint64)
        return (rows // self.layers, rows % self.layers,
                self._columns(writer, rows + numpy.uint64(self.each), LAYER_DOUBLES))

    def _columns(self, writer, rows, columns):
        return [self._values(writer, rows, c) for c in range(columns)]

    def _values(self, writer, rows, c):
        u64 = numpy.uint64
        with numpy.errstate(over="ignore"):
            z = u64(writer << 48) + rows * u64(16) + u64(c)
            z = (z + u64(1)) * u64(0x9E3779B97F4A7C15)
            z = (z ^ z >> u64(30)) * u64(0xBF58476D1CE4E5B9)
            z = (z ^ z >> u64(27)) * u64(0x94D049BB133111EB)
        z ^= z >> u64(31)
        values = 0.5 + (z >> u64(12)).astype(numpy.float64) / 2.0**52
        floats = 7 if self.kind == "float" else 3
        return values.astype(numpy.float32).astype(numpy.float64) if c % 8 < floats else values

    def batches(self, rows):
        """(writer, begin, end) in steps, about `rows` rows each, writers in turn."""
        per = max(1, rows // (1 + self.layers))
        for begin in range(0, self.each, per):
            for writer in range(self.writers):
                yield writer, begin, min(begin + per, self.each)

/** diagnosis: the daemon's diagnostics as lines of a table, each with the number behind it. Pure. */

import { type Diagnostics, type Real, real } from "../api/types";
import { counted, grouped, sig3 } from "../draw/format";

export interface Figure {
    name: string;
    value: string;
    /** Records behind it. */
    n: number;
    /** Not as it should be. */
    bad?: boolean;
}

/** Where the optimizer ceases to be stable, and what was measured last beside it. */
export interface Edge {
    /** Of the sharpness; null = not known. */
    threshold: Real | null;
    smoothness: Real | null;
    /** The signed eigenvalue of largest magnitude. */
    sharpness: Real | null;
    /** As the trainer named it; "" where it did not. */
    optimizer: string;
}

const NOT_MEASURED = "not measured";
/** Those whose edge the daemon knows (openapi.yaml, edge_of_stability). */
const EDGES = /^(sgd|heavy_ball|momentum|ema_momentum|nesterov|adamw?)$/i;
/** Whose edge is of the preconditioned Hessian. */
const PRECONDITIONED = /^adamw?$/i;

export function figures(data: Diagnostics, edge: Edge): Figure[] {
    return [
        ...clipping(data.clipping),
        noise(data.noise),
        ...spikes(data.spikes),
        ...faults(data.faults),
        ...stability(edge),
        ...descent(data.descent),
        ...thresholds(data.clipping),
    ];
}

function figure(name: string, n: number, value: string | null, bad = false): Figure {
    return n > 0 && value !== null ? { name, n, value, bad } : { name, n, value: NOT_MEASURED };
}

function percent(share: Real | null): string | null {
    return share === null ? null : `${sig3(100 * real(share))} %`;
}

function number(value: Real | null): string | null {
    return value === null ? null : sig3(real(value));
}

function clipping({ windows }: Diagnostics["clipping"]): Figure[] {
    return windows
        .filter(({ steps }) => steps !== null)
        .map(({ steps, n, fraction, mean_shrink }) => {
            const by = percent(mean_shrink);
            const share = percent(fraction);
            const text = share === null || by === null ? share : `${share}, by ${by} on average`;
            return figure(`clipped, last ${grouped(steps ?? 0)} steps`, n, text);
        });
}

function noise({ windows }: Diagnostics["noise"]): Figure {
    const name = "gradient noise scale";
    const all = windows[windows.length - 1];
    if (all === undefined || all.n === 0) {
        return figure(name, 0, null);
    }
    const scale = number(all.scale);
    const error = number(all.standard_error);
    const text =
        scale === null
            ? "no signal above the noise"
            : `${scale}${error === null ? "" : ` ± ${error}`} samples`;
    return figure(name, all.n, text);
}

function spikes(data: Diagnostics["spikes"]): Figure[] {
    const newest = (of: string): string => {
        const found = data.recent.find((spike) => spike.of === of);
        return found === undefined ? "" : `, last at step ${grouped(Number(found.step))}`;
    };
    const lead = number(data.mean_lead);
    const kinds = [
        `${grouped(data.grad_norm_alone)} alone`,
        `${grouped(data.grad_norm_leading)} ahead of the loss` +
            (lead === null ? "" : ` by ${lead} steps`),
        `${grouped(data.grad_norm_with)} with or after it`,
    ].join(", ");
    const grad = data.grad_norm > 0 ? `${grouped(data.grad_norm)} (${kinds})` : "0";
    return [
        figure("spikes of the loss", data.n_loss, grouped(data.loss) + newest("loss")),
        figure("spikes of ‖g‖", data.n_grad_norm, grad + newest("grad_norm")),
    ];
}

function faults(data: Diagnostics["faults"]): Figure[] {
    const first = data.first_nonfinite_step;
    const where = first === null ? "" : `, first at step ${grouped(Number(first))}`;
    const inf = data.found_inf > 0 ? ` (${grouped(data.found_inf)} for a gradient not finite)` : "";
    return [
        figure("skipped steps", data.n_flags, grouped(data.skipped) + inf),
        figure("updates of length 0", data.n_updates, grouped(data.zero_updates)),
        figure(
            "steps not finite",
            data.n_values,
            grouped(data.nonfinite) + where,
            data.nonfinite > 0,
        ),
    ];
}

function whyNoEdge(optimizer: string): string {
    if (optimizer === "") {
        return "optimizer unknown: name it in traj_options.optimizer";
    }
    return EDGES.test(optimizer)
        ? "no edge of stability: lr or momentum is not recorded"
        : `no edge of stability is known for the optimizer “${optimizer}”`;
}

function stability({ threshold, smoothness, sharpness, optimizer }: Edge): Figure[] {
    const at = real(threshold);
    if (at > 0 && PRECONDITIONED.test(optimizer)) {
        const text = `edge at ${sig3(at)}, of the preconditioned Hessian, which is not measured`;
        return [figure("stability", 1, text)];
    }
    const rows: [string, Real | null][] = [
        ["sharpness, the last", sharpness],
        ["smoothness, the last", smoothness],
    ];
    return rows.map(([name, measured]) => {
        const v = real(measured);
        if (!(at > 0) && !Number.isNaN(v)) {
            return { name, n: 0, value: whyNoEdge(optimizer) };
        }
        const over = v > at ? ", over it" : "";
        const text =
            v < 0
                ? `${sig3(v)}: the largest eigenvalue in magnitude is below 0`
                : `${sig3(v / at)} of the edge of stability, ${sig3(at)}${over}`;
        return figure(name, Number.isNaN(v) ? 0 : 1, text);
    });
}

function descent({ steps, probes, laws }: Diagnostics["descent"]): Figure[] {
    const law = laws[0];
    type Moves = typeof steps;
    const check = (of: string, { n, same_data }: Moves, broken: number, rate: Real | null): Figure => {
        const share = percent(rate);
        const text =
            share === null || law === undefined
                ? null
                : `${grouped(broken)} (${share}) with L0 ${sig3(real(law.L0))}, L1 ${sig3(real(law.L1))}`;
        const whose = same_data ? "" : ": each loss of its own batch";
        return figure(`descent lemma violated, ${of}`, n, text === null ? null : text + whose);
    };
    return [
        check("probes", probes, law?.probe_violations ?? 0, law?.probe_rate ?? null),
        check("steps", steps, law?.step_violations ?? 0, law?.step_rate ?? null),
    ];
}

function thresholds({ autoclip, zclip }: Diagnostics["clipping"]): Figure[] {
    const would = percent(zclip.fraction);
    const z = number(zclip.threshold);
    const clips = would === null ? "" : `, would have clipped ${would}`;
    return [
        figure("AutoClip would clip at", autoclip.n, number(autoclip.threshold)),
        figure("ZClip would clip at", zclip.n, z === null ? null : z + clips),
    ];
}

export function aboutText({ steps, probes }: Diagnostics): string {
    return `Of the last ${counted(steps, "step")} and ${counted(probes, "probe")} of rank 0.`;
}

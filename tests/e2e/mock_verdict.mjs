// mock_verdict.mjs: what the stand-in for trajd says of a made-up run.
import { fitsOf } from "./mock.mjs";

const SENTENCES = {
    no_data: () => "nothing was probed",
    too_few: (n) => `too few probes: ${n} pairs, 30 are needed`,
    grows_unconfirmed: () => "smoothness along the update grows with gradient norm (L1 = 8, 95 % 6.4 to 9.6), only the operator norm could confirm it",
    grows: () => "smoothness grows with gradient norm (L1 = 8, 95 % 6.4 to 9.6; operator norm agrees)",
};

function kindOf(made, n) {
    if (made.unmeasured.length > n) {
        return "rounding_limited";
    }
    return n === 0 ? "no_data" : n < 30 ? "too_few" : (made.kind ?? "grows_unconfirmed");
}

function adviceOf(made, kind, fit, group) {
    if (kind.startsWith("grows") && group > 0) {
        return { refusal: "layer", L0: 2, L1: 0.5, knee: 4, share_above_knee: 0.25, grad_norm: 6, radius: 1.2 };
    }
    if (!kind.startsWith("grows")) {
        return { refusal: kind };
    }
    const { L0, L1, lr } = made.options;
    return {
        refusal: null,
        unconfirmed: kind === "grows_unconfirmed",
        L0,
        L1,
        grad_norm_most: fit.x_range[1],
        target: fit.x_range[0],
        knee: L0 / L1,
        share_above_knee: 0.9,
        steps: {},
        recipes: [
            { name: "clipped", lr: 1 / (10 * L0), threshold: L0 / L1 },
            { name: "clipped_l0l1", lr: 1 / (2 * L0), threshold: (2 * L0) / (3 * L1) },
            { name: "clipped_convex", lr: 1 / L0, threshold: L0 / L1 },
        ],
        own_threshold: 1 / (3 * L1 * lr),
        lr_limit: 0.25,
        lr_over_limit: lr / 0.25,
        bound_ratio: 12,
        adaptivity: 3,
    };
}

function phaseOf(made, regressor, from, to, cause, group) {
    const fit = fitsOf(made, regressor, from, to ?? Infinity);
    const { n } = fit;
    const kind = kindOf(group > 0 ? { ...made, kind: made.layerKinds?.[group - 1] } : made, n);
    const enough = n >= 30;
    const { L0, L1 } = made.options;
    const about = (v, by) => ({ estimate: v, se: v * by, low: v * (1 - 2 * by), high: v * (1 + 2 * by) });
    const absent = enough ? null : "few_samples";
    return {
        from_step: from,
        to_step: to,
        cause,
        verdict: kind,
        sentence: (SENTENCES[kind] ?? (() => `${kind}, as somebody said`))(n),
        reasons: n === 0 ? [] : [
            { name: "pairs", value: n, limit: 30, decides: !enough },
            ...(enough ? [{ name: "slope_p", value: 1e-9, limit: 0.05, decides: true }] : []),
        ],
        interval_absent: absent,
        interval: enough
            ? { level: 0.95, dof: 18, L0: about(L0, 0.2), L1: about(L1, 0.1), x_mean: 1, centroid: about(L0 + L1, 0.01), corr: -0.4 }
            : null,
        tau_int: enough ? 2 : null,
        n_eff: enough ? n / 2 : null,
        partial_absent: absent,
        partial_spearman: enough ? 0.8 : null,
        partial_p: enough ? 0.001 : null,
        difference_spearman: enough ? 0.7 : null,
        slope_p: enough ? 1e-9 : null,
        leverage: enough ? { dropped: 1, x_above: 4, L0, L1: 0.9 * L1 } : null,
        operator_norm: { n: made.norms.length, spread: null, spearman: null, p: null, growth: null, growth_se: null, share: null, high: null },
        fit,
        advice: adviceOf(made, kind, fit, group),
    };
}

/** made.cuts: where phases begin, and why; made.kind, made.layerKinds: what is said of those with pairs enough. */
export function verdictOf(made, regressor = "simpson", from = 0, to = Infinity, group = 0) {
    const cuts = (made.cuts ?? []).filter((cut) => cut.step > from && cut.step <= to);
    const begins = [{ step: from, cause: "start" }, ...cuts];
    const last = to === Infinity ? null : to;
    const phases = begins.map(({ step, cause }, i) =>
        phaseOf(made, regressor, step, i + 1 < begins.length ? begins[i + 1].step - 1 : last, cause, group));
    const main = Math.max(phases.findLastIndex(({ fit }) => fit.n >= 30), 0);
    const { verdict, sentence } = phases[main];
    return { verdict, sentence, main_phase: main, more_phases: false, phases };
}

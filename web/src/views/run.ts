/**
 * run: the page of one run. Owns its data (series, points, fits), brings them
 * up to date by events, and fetches again what events cannot tell.
 */

import { ApiError, get, isAbort, runPath } from "../api/client";
import type {
    Fits,
    FitsReply,
    Regressor,
    Run,
    RunDetail,
    ScatterReply,
    SeriesReply,
} from "../api/types";
import { gradientPanel } from "../charts/gradient";
import { lossPanel, type PanelContext } from "../charts/loss";
import type { Panel } from "../charts/panel";
import { Scatter } from "../charts/scatter";
import { smoothnessPanel } from "../charts/smoothness";
import { stepsizePanel } from "../charts/stepsize";
import { h, isPlainClick, setText } from "../dom";
import { grouped } from "../draw/format";
import { type Plan, latest, planFor, readEvent } from "../live/events";
import { Live } from "../live/live";
import { flagsOf, newsText } from "../model/alerts";
import { aroundOf, isAround } from "../model/around";
import { Points } from "../model/points";
import { BUCKETS_ASKED, METRICS, type Metric, Series } from "../model/series";
import { curves } from "../model/fits";
import { bandOf, cutsOf } from "../model/verdict";
import { PANEL_KEYS, type PanelKey, type RunView } from "../model/view";
import { AdviceCard } from "./advice";
import { AlertFeed } from "./alerts";
import type { App, Page } from "./app";
import { alertBadges, completeBadge, stateBadge } from "./badge";
import { diagnosticsDrawer } from "./diagnostics";
import type { Drawer } from "./drawer";
import { Facts } from "./facts";
import { stepButton } from "./feed";
import { FitTable } from "./fits";
import { Judge } from "./judge";
import { LayersView } from "./layers";
import { Loader } from "./loader";
import { Messages } from "./messages";
import { NormFeed } from "./norms";
import { isOfSeveral, ranksDrawer } from "./ranks";
import { VerdictCard } from "./verdict";

/** As many as the picture takes ten times a second; of more, the daemon makes a density. */
const POINTS_MOST = 50_000;
const ALERTS_FIRST = 5;
/** All that a run can have: 32 of each rule. */
const ALERTS_PAGE = 1000;
/** As in styles.css: there is little room, and what is not asked for stays closed. */
const NARROW = window.matchMedia("(max-width: 760px)");

const PANEL_METRICS: Record<PanelKey, readonly Metric[]> = {
    loss: ["loss"],
    grad: ["grad_norm", "clip_threshold"],
    smoothness: ["smoothness"],
    lr: ["lr", "step_limit"],
};

export class RunPage implements Page {
    readonly element = h("main", { id: "main", class: "run-page" });
    private run: RunDetail | null = null;
    private series = new Series();
    private fits: Fits | null = null;
    private attempt = 0;
    /** The regressor of the points that are drawn: the daemon's choice if it was given none. */
    private drawn: Regressor = "start";
    /** Rows that came while a request was under way, which may not know them. */
    private missed: Plan[] = [];
    private readonly loader = new Loader((signal) => this.load(signal));
    /** What is loaded was asked for, and is drawn also while the page is paused. */
    private asked = true;
    private readonly refitter = new Loader((signal) => this.refit(signal), 2000);
    private readonly live: Live;
    private readonly scatter: Scatter;
    private readonly panels: Record<PanelKey, Panel>;
    private readonly fitTable = new FitTable();
    private readonly judge: Judge;
    private readonly verdict: VerdictCard;
    private readonly advice = new AdviceCard();
    private readonly facts: Facts;
    private readonly norms: NormFeed;
    private readonly ranks: Drawer;
    private readonly layers: LayersView;
    private readonly messages: Messages;
    private readonly alerts: AlertFeed;
    private readonly drawers: readonly Drawer[];
    private readonly heading = h("h1", {});
    private readonly state = h("span", { class: "state" });
    private readonly complete = h("span", { class: "complete" });
    private readonly alertButton = h("button", { type: "button", hidden: true, onclick: () => this.alerts.element.focus() });
    private readonly rangeNote = h("span", {});
    private readonly rangeBar: HTMLElement;
    private readonly problem = h("div", { class: "problem", role: "alert", hidden: true });
    private readonly content = h("div", { class: "run-content", hidden: true });

    constructor(
        private readonly app: App,
        private view: RunView,
    ) {
        app.title(view.id);
        this.facts = new Facts(view.id);
        this.norms = new NormFeed(
            view.id,
            () => this.view.range,
            () => {
                if (!app.paused()) {
                    this.resume();
                }
            },
        );
        const shown = {
            asked: () => ({
                regressor: this.view.regressor,
                from: this.view.range?.[0],
                to: this.view.range?.[1],
            }),
            paused: () => app.paused(),
            onRange: (range: [number, number] | null) => this.change({ range }, true),
            range: () => this.view.range,
            last: () => this.lastStep(),
        };
        this.judge = new Judge(
            view.id,
            shown.asked,
            shown.paused,
            () => app.painter.ask(app.paused() ? this.paintVerdict : this.paintAll),
        );
        this.verdict = new VerdictCard({ ...shown, title: "Verdict, fitted along this trajectory", of: "" });
        this.ranks = ranksDrawer(NARROW.matches);
        this.layers = new LayersView({
            ...shown,
            id: view.id,
            chosen: view.layer,
            onChoose: (layer) => this.change({ layer }, false),
        });
        const onStep = (step: number): void => this.showAround(step);
        this.messages = new Messages(view.id, onStep);
        this.alerts = new AlertFeed({
            path: `${runPath(view.id)}/alerts`,
            first: ALERTS_FIRST,
            page: ALERTS_PAGE,
            lead: ({ step }) => [stepButton(step, onStep)],
            paused: shown.paused,
            tell: (news) => app.announcer.say(newsText(news, false)),
            changed: () => this.drawLive(this.paintAll),
        });
        this.drawers = [diagnosticsDrawer(NARROW.matches), this.ranks, this.messages.drawer, this.layers.drawer];
        this.scatter = new Scatter({
            theme: app.theme,
            announcer: app.announcer,
            ceiling: view.ceiling,
            onRegressor: (regressor) => this.change({ regressor }, true),
            onCeiling: (ceiling) => this.change({ ceiling }, false),
            onPick: (step) => this.follow(step, null),
        });
        const context = (key: PanelKey): PanelContext => ({
            theme: app.theme,
            announcer: app.announcer,
            log: view.log[key],
            onZoom: (from, to) => this.change({ range: [from, to] }, true),
            onReset: () => this.change({ range: null }, true),
            onCursor: (step, from) => this.follow(step, from),
            onLog: (log) => this.change({ log: { ...this.view.log, [key]: log } }, false),
        });
        this.panels = {
            loss: lossPanel(context("loss")),
            grad: gradientPanel(context("grad")),
            smoothness: smoothnessPanel(context("smoothness")),
            lr: stepsizePanel(context("lr")),
        };
        const reset = h(
            "button",
            { type: "button", onclick: () => this.change({ range: null }, true) },
            "Whole run",
        );
        this.rangeBar = h("div", { class: "range", hidden: true }, this.rangeNote, reset);
        this.content.append(
            h("h2", { class: "unseen" }, "Smoothness and its law"),
            h(
                "div",
                { class: "picture" },
                h("div", {}, this.verdict.element, this.scatter.frame.element),
                h("div", {}, this.advice.element, this.fitTable.element),
            ),
            this.alerts.element,
            h("h2", { class: "unseen" }, "Over the steps"),
            h(
                "div",
                { class: "panels" },
                ...PANEL_KEYS.map((key) => this.panels[key].frame.element),
            ),
            h(
                "p",
                { class: "hint" },
                "Drag over a chart to look closer, double click to see the whole run again.",
            ),
            h(
                "div",
                { class: "panels drawers" },
                ...this.drawers.map((drawer) => drawer.element),
            ),
            this.facts.element,
        );
        this.element.append(
            h(
                "div",
                { class: "run-head" },
                h(
                    "a",
                    { href: "/", class: "back", onclick: (event) => this.back(event) },
                    "← Runs",
                ),
                this.heading,
                this.state,
                this.complete,
                this.alertButton,
                this.rangeBar,
            ),
            this.problem,
            this.content,
        );
        setText(this.heading, view.id);
        this.live = new Live(`${runPath(view.id)}/events`, {
            event: (raw) => {
                const event = readEvent(raw);
                if (event !== null) {
                    this.act(planFor(event, this.showing()));
                }
            },
            status: (status) => app.status(status),
            resync: () => this.loader.soon(),
        });
    }

    close(): void {
        this.live.close();
        this.loader.close();
        this.refitter.close();
        this.judge.close();
        this.norms.close();
        this.alerts.close();
        this.layers.close();
        this.drawers.forEach((drawer) => drawer.close());
        this.scatter.close();
        PANEL_KEYS.forEach((key) => this.panels[key].close());
    }

    key(key: string): boolean {
        if (key === "0" && this.view.range !== null) {
            this.change({ range: null }, true);
            return true;
        }
        return false;
    }

    resume(): void {
        this.judge.wake();
        this.layers.wake();
        this.alerts.paint();
        this.app.painter.ask(this.paintAll);
    }

    retry(): void {
        this.live.retry();
        this.asked = true;
        this.loader.now();
    }

    private back(event: Event): void {
        if (isPlainClick(event)) {
            event.preventDefault();
            this.app.go({
                page: "list",
                text: "",
                state: null,
                project: null,
                theme: this.view.theme,
            });
        }
    }

    private change(change: Partial<RunView>, refetch: boolean): void {
        this.view = { ...this.view, ...change };
        this.app.note(this.view);
        this.scatter.setCeiling(this.view.ceiling);
        PANEL_KEYS.forEach((key) => this.panels[key].setLog(this.view.log[key]));
        this.app.painter.ask(this.paintAll);
        if (refetch) {
            this.asked = true;
            this.loader.now();
            this.judge.again();
            this.layers.again();
            this.norms.again();
        }
    }

    private lastStep(): number {
        return Number(this.run?.last_step ?? 0);
    }

    /** The same once more shows the whole run again. */
    private showAround(step: number): void {
        const range = isAround(this.view.range, step) ? null : aroundOf(step, this.lastStep());
        this.change({ range }, true);
    }

    private showing(): {
        run: string;
        attempt: number;
        regressor: Regressor | null;
        ranged: boolean;
    } {
        return {
            run: this.view.id,
            attempt: this.attempt,
            regressor: this.view.regressor,
            ranged: this.view.range !== null,
        };
    }

    // ---- fetching

    private async load(signal: AbortSignal): Promise<void> {
        const { regressor, range } = this.view;
        const window = { from: range?.[0], to: range?.[1] };
        const path = runPath(this.view.id);
        this.missed = [];
        this.judge.note();
        try {
            const [run, series, scatter, fits] = await Promise.all([
                get<RunDetail>(path, {}, signal),
                get<SeriesReply>(
                    `${path}/series`,
                    { metric: METRICS.join(), buckets: BUCKETS_ASKED, ...window },
                    signal,
                ),
                get<ScatterReply>(
                    `${path}/scatter`,
                    { x: regressor, max: POINTS_MOST, ...window },
                    signal,
                ),
                get<FitsReply>(`${path}/fits`, { regressor, ...window }, signal),
            ]);
            this.problem.hidden = true;
            this.content.hidden = false;
            this.setRun(run);
            this.series = Series.of(series);
            this.fits = fits.data;
            this.setScatter(scatter);
            this.missed.splice(0).forEach((plan) => this.append(plan));
            if (this.asked || !this.app.paused()) {
                this.asked = false;
                this.paintAll();
            }
        } catch (error) {
            if (!isAbort(error)) {
                this.failed(error);
            }
        }
    }

    private async refit(signal: AbortSignal): Promise<void> {
        try {
            const query = { regressor: this.view.regressor };
            this.fits = (
                await get<FitsReply>(`${runPath(this.view.id)}/fits`, query, signal)
            ).data;
            this.drawLive(this.paintPicture);
        } catch {
            // The next fit event asks again; a lost connection is said elsewhere.
        }
    }

    private failed(error: unknown): void {
        const known = this.run !== null;
        if (error instanceof ApiError && error.status === 404) {
            this.problem.replaceChildren(
                h("h2", {}, "No such run"),
                h(
                    "p",
                    {},
                    "There is no run with the id ",
                    h("code", {}, this.view.id),
                    ". It may have been deleted.",
                ),
            );
            this.problem.hidden = false;
            this.content.hidden = true;
            return;
        }
        if (!known) {
            const why =
                error instanceof ApiError
                    ? `trajd answered: ${error.message}`
                    : "Cannot reach trajd.";
            this.problem.replaceChildren(h("p", {}, `${why} Trying again…`));
            this.problem.hidden = false;
        }
        window.setTimeout(() => this.loader.soon(), 2000);
    }

    private setScatter(reply: ScatterReply): void {
        const { data, sampling, excluded } = reply;
        this.drawn = data.x_name;
        if (data.mode === "density") {
            const text = `density of ${grouped(sampling.rows_in)} points, with the extremes of every column`;
            this.scatter.setDensity(data, excluded, text);
        } else {
            const drawn = data.step.length;
            const text =
                sampling.rows_in > drawn + excluded ? ` of ${grouped(sampling.rows_in)}` : "";
            this.scatter.setPoints(Points.of(data), excluded, text);
        }
    }

    // ---- live

    private act(plan: Plan): void {
        if (plan.run !== null) {
            this.setRun(plan.run);
        }
        if (plan.verdict !== null) {
            this.judge.hear(plan.verdict);
        }
        if (plan.alert !== null) {
            this.alerts.hear(plan.alert);
        }
        if (plan.fits !== null || plan.refit) {
            this.judge.note();
            this.layers.judge();
        }
        if (plan.fits !== null) {
            this.fits = plan.fits;
            this.drawLive(this.paintPicture);
        }
        if (plan.refit) {
            this.refitter.soon();
        }
        if (plan.refetch) {
            this.loader.soon();
        }
        if (plan.steps !== null || plan.probes !== null) {
            if (this.loader.busy()) {
                this.missed.push(plan);
            }
            this.append(plan);
        }
    }

    private append(plan: Plan): void {
        if (plan.steps !== null) {
            this.series.appendSteps(plan.steps);
        }
        if (plan.probes !== null && plan.probes.step.length > 0) {
            this.series.appendProbes(plan.probes.step, plan.probes.smoothness);
            if (this.scatter.isDensity() || this.scatter.points.n > POINTS_MOST) {
                this.loader.soon();
            } else {
                this.scatter.points.append(plan.probes, this.regressor());
            }
            this.drawLive(this.paintPicture);
        }
        this.drawLive(this.paintPanels);
    }

    /** What events bring waits while the page is paused; resume draws it all. */
    private drawLive(paint: () => void): void {
        if (!this.app.paused()) {
            this.app.painter.ask(paint);
        }
    }

    private regressor(): Regressor {
        return this.view.regressor ?? this.drawn;
    }

    private setRun(come: Run | RunDetail): void {
        const run = latest(this.run, come);
        this.run = run;
        this.attempt = Math.max(run.attempts, ...run.streams.map((stream) => stream.attempt));
        this.app.title(run.name);
        setText(this.heading, run.name);
        this.state.replaceChildren(stateBadge(run));
        this.complete.replaceChildren(completeBadge(run));
        this.facts.show(run);
        this.norms.note(run);
        this.ranks.element.hidden = !isOfSeveral(run);
        this.layers.note(run);
        this.messages.note(run);
        this.drawers.forEach((drawer) => drawer.note(run));
        this.alerts.note(run.alerts);
        const badges = alertBadges(run);
        this.alertButton.hidden = badges.length === 0;
        this.alertButton.replaceChildren(...badges);
    }

    // ---- drawing

    private readonly paintAll = (): void => {
        this.paintVerdict();
        this.paintPicture();
        this.paintPanels();
        const { range } = this.view;
        this.alerts.press(range);
        this.messages.press(range);
        this.rangeBar.hidden = range === null;
        setText(
            this.rangeNote,
            range === null ? "" : `steps ${grouped(range[0])} to ${grouped(range[1])} only `,
        );
    };

    private readonly paintVerdict = (): void => {
        const { verdict, problem, stale } = this.judge;
        this.verdict.show(verdict, problem);
        this.verdict.element.setAttribute("aria-busy", String(stale));
        const main = verdict?.phases[verdict.main_phase];
        if (main !== undefined) {
            this.advice.show(main);
        }
    };

    private readonly paintPicture = (): void => {
        this.scatter.setRegressor(this.regressor());
        const laws = { curves: curves(this.fits), x: this.fits?.x_range ?? null };
        const { verdict, stale } = this.judge;
        this.scatter.setLaws(laws, stale ? null : bandOf(verdict));
        this.scatter.setNorms(this.norms.norms);
        this.fitTable.show(this.fits, verdict);
        this.scatter.paint();
    };

    private readonly paintPanels = (): void => {
        const range = this.view.range ?? this.series.extent() ?? [0, 1];
        const cuts = cutsOf(this.judge.verdict);
        const flags = flagsOf(this.alerts.alerts, this.run?.streams ?? []);
        for (const key of PANEL_KEYS) {
            const panel = this.panels[key];
            PANEL_METRICS[key].forEach((metric) => panel.set(metric, this.series.get(metric)));
            if (key === "smoothness") {
                const { steps } = this.series.get("smoothness");
                panel.set("operator_norm", this.norms.buckets(steps));
                panel.setNorms(this.norms.norms);
            }
            panel.setMarks(cuts, flags);
            panel.setRange(range);
            panel.paint();
        }
    };

    /** One cursor for all charts: where one is looked at, the others show the same step. */
    private follow(step: number | null, from: Panel | null): void {
        for (const key of PANEL_KEYS) {
            if (this.panels[key] !== from) {
                this.panels[key].follow(step);
            }
        }
        if (from !== null) {
            this.scatter.showStep(step);
        }
    }
}

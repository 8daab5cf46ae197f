/** alerts: what trajd raised, in words, and where charts over steps mark it. Pure. */

import { type Alert, type RunDetail, real } from "../api/types";
import { brief, counted, sig3 } from "../draw/format";
import { LEVEL_SIGNS, type Level } from "./levels";

/** Of one run there is one of a rule and step. */
export function alertKey({ run, rule, step }: Alert): string {
    return `${run} ${rule} ${step}`;
}

export function figuresText({ value, limit }: Alert): string {
    return `value ${sig3(real(value))}, ${limit === null ? "no limit" : `limit ${brief(real(limit))}`}`;
}

/** Those that are new, newest first, for who does not see them. */
export function newsText(news: readonly Alert[], named: boolean): string {
    const [{ severity, rule, run, sentence }] = news as [Alert];
    const of = named ? ` of ${run}` : "";
    const text = `${severity}, ${rule}${of}: ${sentence}`;
    return news.length > 1 ? `${counted(news.length, "new alert")}, the last: ${text}` : text;
}

export interface Flag {
    step: number;
    level: Level;
    text: string;
}

/** Not of steps that a later attempt has done again: what is drawn there is not what was found. */
export function flagsOf(alerts: readonly Alert[], streams: RunDetail["streams"]): Flag[] {
    const isVoid = ({ attempt, step }: Alert): boolean =>
        streams.some(
            (later) => later.attempt > Number(attempt) && later.first_step !== null && Number(later.first_step) <= Number(step),
        );
    return alerts
        .filter((alert) => !isVoid(alert))
        .map(({ step, severity, rule }) => ({
            step: Number(step),
            level: severity,
            text: `${LEVEL_SIGNS[severity]} ${severity}: ${rule}`,
        }));
}

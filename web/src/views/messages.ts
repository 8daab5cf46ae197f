/** messages: what the trainers of a run had to say, newest first, asked for when there is more of it. */

import { get, runPath } from "../api/client";
import type { EventPage, RunDetail } from "../api/types";
import { grouped } from "../draw/format";
import { type Message, newestFirst, readMessages } from "../model/messages";
import { Drawer } from "./drawer";
import { Feed, entry, stepButton } from "./feed";

/** Fetched at a time. */
const PAGE = 1000;
/** Of a page that only says where the next one begins: as many as there may be. */
const SKIP = 100_000;
const FIRST = 20;
const LEAST_MS = 1000;
const FIELDS = "step,wall_ns,event,severity,text,value,exit_code";

export class Messages {
    readonly drawer: Drawer;
    private messages: readonly Message[] = [];
    /** Of the run when these were asked for, and how many of them were wanted. */
    private known = 0;
    private got = 0;
    private wanted = PAGE;
    private several = { attempts: false, ranks: false };
    private readonly feed: Feed<Message>;

    constructor(
        private readonly id: string,
        private readonly onStep: (step: number) => void,
    ) {
        this.drawer = new Drawer("Events", false, (run, signal) => this.ask(run, signal), LEAST_MS);
        this.feed = new Feed<Message>({
            first: FIRST,
            none: "None were recorded.",
            key: ({ key }) => key,
            entry: (message) => this.entry(message),
            older: () => {
                this.wanted += PAGE;
                this.drawer.now();
            },
        });
    }

    note(run: RunDetail): void {
        const n = Number(run.records.event);
        this.several = { attempts: run.attempts > 1, ranks: run.ranks > 1 };
        this.drawer.element.hidden = n === 0;
        this.drawer.say(grouped(n));
    }

    press(range: readonly [number, number] | null): void {
        this.feed.press(range);
    }

    private entry({ level, step, text, wallNs, attempt, rank }: Message): HTMLElement {
        const about = [
            this.several.attempts ? `attempt ${grouped(attempt)}` : "",
            this.several.ranks ? `rank ${grouped(rank)}` : "",
        ];
        const lead = step === null ? [] : [stepButton(step, this.onStep)];
        return entry(level, lead, text, about.filter(Boolean).join(", "), wallNs);
    }

    private async ask(run: RunDetail, signal: AbortSignal): Promise<readonly HTMLElement[]> {
        const n = Number(run.records.event);
        if (n !== this.known || this.wanted !== this.got) {
            const { wanted } = this;
            this.messages = await this.newest(n, wanted, signal);
            this.known = n;
            this.got = wanted;
        }
        this.feed.show(this.messages, n > this.messages.length && this.messages.length >= this.wanted);
        return [this.feed.element];
    }

    /** The last ones of n: pages begin at the oldest, so the cursor is led past the others first, without their texts. */
    private async newest(n: number, wanted: number, signal: AbortSignal): Promise<readonly Message[]> {
        let cursor: string | null = null;
        for (let left = n - wanted; left > 0; left -= SKIP) {
            cursor = (await this.page("event", Math.min(left, SKIP), cursor, signal)).page.next_cursor;
        }
        const found: Message[] = [];
        do {
            const { data, page } = await this.page(FIELDS, PAGE, cursor, signal);
            found.push(...readMessages(data));
            cursor = page.next_cursor;
        } while (cursor !== null);
        return newestFirst(found);
    }

    private page(fields: string, limit: number, cursor: string | null, signal: AbortSignal): Promise<EventPage> {
        const query = { attempt: "all", rank: "all", fields, limit, cursor };
        return get<EventPage>(`${runPath(this.id)}/messages`, query, signal);
    }
}

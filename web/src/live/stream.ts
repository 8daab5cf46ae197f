/** stream: one connection to an event stream, until it ends. */

import { ApiError } from "../api/client";
import { type RawEvent, SseParser } from "./sse";

/** The daemon writes a heartbeat every 10 s: silence for longer is a dead line. */
const SILENCE_MS = 25_000;

export interface StreamHandlers {
    open(): void;
    event(event: RawEvent): void;
    heard(): void;
}

/**
 * Reads until the stream ends (returns), fails or is silent (throws).
 * EventSource is not used: it cannot be given the last id of another tab, and
 * does not say when it was last heard.
 */
export async function readStream(
    url: string,
    lastId: string | null,
    signal: AbortSignal,
    on: StreamHandlers,
): Promise<void> {
    const dead = new AbortController();
    let timer = setTimeout(() => dead.abort(), SILENCE_MS);
    const stop = (): void => dead.abort();
    signal.addEventListener("abort", stop);
    try {
        const headers: Record<string, string> = { Accept: "text/event-stream" };
        if (lastId !== null) {
            headers["Last-Event-ID"] = lastId;
        }
        const reply = await fetch(url, { headers, signal: dead.signal, cache: "no-store" });
        if (!reply.ok || reply.body === null) {
            throw new ApiError(reply.status, `the event stream answered ${reply.status}`);
        }
        on.open();
        const reader = reply.body.getReader();
        const text = new TextDecoder();
        const parser = new SseParser();
        for (;;) {
            const { done, value } = await reader.read();
            if (done) {
                return;
            }
            clearTimeout(timer);
            timer = setTimeout(() => dead.abort(), SILENCE_MS);
            on.heard();
            for (const event of parser.push(text.decode(value, { stream: true }))) {
                on.event(event);
            }
        }
    } finally {
        clearTimeout(timer);
        signal.removeEventListener("abort", stop);
    }
}

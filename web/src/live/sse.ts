/** sse: an event stream's text, in any pieces, into events. Pure. */

export interface RawEvent {
    name: string;
    data: string;
    id: string | null;
}

export class SseParser {
    private rest = "";
    private name = "";
    private data: string[] = [];
    private id: string | null = null;

    /** The events that this piece completes. */
    push(piece: string): RawEvent[] {
        const lines = (this.rest + piece).split(/\r\n|\n|\r(?!$)/);
        this.rest = lines.pop() ?? "";
        const events: RawEvent[] = [];
        for (const line of lines) {
            if (line !== "") {
                this.field(line);
                continue;
            }
            if (this.data.length > 0) {
                events.push({
                    name: this.name || "message",
                    data: this.data.join("\n"),
                    id: this.id,
                });
            }
            this.name = "";
            this.data = [];
        }
        return events;
    }

    private field(line: string): void {
        const colon = line.indexOf(":");
        if (colon === 0) {
            return; // a comment: the heartbeat
        }
        const key = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (key === "event") {
            this.name = value;
        } else if (key === "data") {
            this.data.push(value);
        } else if (key === "id") {
            this.id = value;
        }
    }
}

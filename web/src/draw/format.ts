/** format: numbers and times as people read them. Pure. */

/** Three significant digits; an exponent outside 1e-3 .. 1e5. */
export function sig3(value: number | null | undefined): string {
    if (value === null || value === undefined) {
        return "–";
    }
    if (Number.isNaN(value)) {
        return "NaN";
    }
    if (!Number.isFinite(value)) {
        return value > 0 ? "∞" : "−∞";
    }
    if (value === 0) {
        return "0";
    }
    const size = Math.abs(value);
    if (size < 1e-3 || size >= 1e5) {
        return minus(value.toExponential(2));
    }
    const digits = value.toPrecision(3);
    return minus(digits.includes("e") ? grouped(Number(digits)) : digits);
}

/** A number that somebody has set, such as a limit: without the zeros that sig3 adds. */
export function brief(value: number): string {
    return sig3(value).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

/** 1234567 as 1,234,567. */
export function grouped(value: number): string {
    return minus(Math.round(value).toLocaleString("en-US"));
}

/** "1 row", "2 rows". */
export function counted(value: number, one: string, many = `${one}s`): string {
    return `${grouped(value)} ${value === 1 ? one : many}`;
}

function minus(text: string): string {
    return text.replace(/-/g, "−");
}

/** A length of time: the two largest units that say something. */
export function duration(ms: number): string {
    if (!Number.isFinite(ms) || ms < 0) {
        return "–";
    }
    const s = ms / 1000;
    if (s < 10) {
        return `${s.toFixed(1)} s`;
    }
    if (s < 60) {
        return `${Math.floor(s)} s`;
    }
    if (s < 3600) {
        return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
    }
    if (s < 86400) {
        return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
    }
    return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** How long ago, for a table: "just now", "5 min ago", "3 d ago". */
export function ago(ms: number): string {
    const s = Math.max(0, ms) / 1000;
    if (s < 10) {
        return "just now";
    }
    if (s < 60) {
        return `${Math.floor(s)} s ago`;
    }
    if (s < 3600) {
        return `${Math.floor(s / 60)} min ago`;
    }
    if (s < 86400) {
        return `${Math.floor(s / 3600)} h ago`;
    }
    return `${Math.floor(s / 86400)} d ago`;
}

/** Nanoseconds since 1970, as the API gives them, in milliseconds. */
export function wallMs(ns: string | number | null): number {
    return ns === null ? NaN : Number(ns) / 1e6;
}

/** Date and time of this browser's zone, to the second. */
export function moment(ms: number): string {
    if (!Number.isFinite(ms)) {
        return "–";
    }
    const d = new Date(ms);
    const two = (n: number): string => String(n).padStart(2, "0");
    const day = `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
    return `${day} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

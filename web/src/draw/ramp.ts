/**
 * ramp: the colours of iterations. Pure. Darker is earlier in both themes; the
 * dark theme's ramp starts lighter, because a dark end would vanish there.
 */

export type Shade = "light" | "dark";

const STOPS: Record<Shade, readonly string[]> = {
    light: ["#3b0f58", "#414487", "#2a788e", "#1f9e76", "#6cc04a", "#b5bd1e"],
    dark: ["#5468c9", "#3f8fd0", "#2fb0a8", "#5ecb73", "#b2df4b", "#fdee6b"],
};

export const RAMP_SIZE = 256;

type Rgb = readonly [number, number, number];

function parse(hex: string): Rgb {
    const n = Number.parseInt(hex.slice(1), 16);
    return [(n >> 16) & 255, (n >> 8) & 255, n & 255];
}

function between(stops: readonly Rgb[], t: number): Rgb {
    const at = t * (stops.length - 1);
    const i = Math.min(stops.length - 2, Math.floor(at));
    const [a, b] = [stops[i]!, stops[i + 1]!];
    const mix = (k: 0 | 1 | 2): number => Math.round(a[k] + (b[k] - a[k]) * (at - i));
    return [mix(0), mix(1), mix(2)];
}

/** Opaque pixels as ImageData holds them on a little-endian machine. */
export function rampPixels(shade: Shade): Uint32Array {
    const stops = STOPS[shade].map(parse);
    const pixels = new Uint32Array(RAMP_SIZE);
    for (let i = 0; i < RAMP_SIZE; i++) {
        const [r, g, b] = between(stops, i / (RAMP_SIZE - 1));
        pixels[i] = ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
    }
    return pixels;
}

/** Which colour step has, when first..last are drawn. */
export function rampIndex(step: number, first: number, last: number): number {
    if (!(last > first)) {
        return RAMP_SIZE - 1;
    }
    const t = (step - first) / (last - first);
    return Math.max(0, Math.min(RAMP_SIZE - 1, Math.round(t * (RAMP_SIZE - 1))));
}

/**
 * The last step for the ramp of a run that grows: rounded up by at most 1/32 of
 * the range, so that most new points leave the colours of the others alone.
 */
export function steadyLast(first: number, last: number): number {
    const unit = 2 ** Math.max(0, Math.ceil(Math.log2(Math.max(1, last - first))) - 6);
    return first + Math.ceil((last - first) / unit) * unit;
}

/** Perceived lightness 0..1 of a pixel, to prove that a ramp only gets lighter. */
export function lightness(pixel: number): number {
    const linear = (c: number): number => Math.pow(c / 255, 2.2);
    const [r, g, b] = [pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255];
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
}

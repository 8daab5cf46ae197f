/**
 * raster: points as pixels, and which point a pixel belongs to. Pure.
 *
 * Which of two overlapping points is seen must not depend on their order in
 * time: newest on top and oldest on top give opposite pictures of the same
 * data. Every point has a rank that is a hash of its number; the higher rank
 * keeps the pixel, whatever order they come in.
 */

export interface Raster {
    readonly w: number;
    readonly h: number;
    readonly pixels: Uint32Array;
    /** The point of each pixel, plus one; 0 = none. */
    readonly owners: Int32Array;
}

export function newRaster(w: number, h: number): Raster {
    return { w, h, pixels: new Uint32Array(w * h), owners: new Int32Array(w * h) };
}

export function clearRaster(r: Raster): void {
    r.pixels.fill(0);
    r.owners.fill(0);
}

/** A permutation of 32-bit numbers that looks random. */
export function rankOf(point: number): number {
    let v = Math.imul(point ^ (point >>> 16), 0x45d9f3b);
    v = Math.imul(v ^ (v >>> 16), 0x45d9f3b);
    return (v ^ (v >>> 16)) >>> 0;
}

/** Half widths of the rows of a dot of this diameter: a disc from 5 on. */
export function dotRows(diameter: number): Int8Array {
    const rows = new Int8Array(diameter);
    const radius = diameter / 2;
    for (let i = 0; i < diameter; i++) {
        const dy = i + 0.5 - radius;
        rows[i] =
            diameter < 5
                ? diameter
                : Math.max(1, Math.round(2 * Math.sqrt(radius * radius - dy * dy)));
    }
    return rows;
}

/** Draw point (its number is its name for pick) centred at x, y. */
export function drawDot(
    r: Raster,
    rows: Int8Array,
    point: number,
    x: number,
    y: number,
    pixel: number,
): void {
    const { w, h, pixels, owners } = r;
    const diameter = rows.length;
    const top = Math.round(y - diameter / 2);
    const owner = point + 1;
    const rank = rankOf(owner);
    for (let i = 0; i < diameter; i++) {
        const row = top + i;
        if (row < 0 || row >= h) {
            continue;
        }
        const width = rows[i]!;
        const left = Math.round(x - width / 2);
        const end = Math.min(w, left + width) + row * w;
        for (let at = Math.max(0, left) + row * w; at < end; at++) {
            const old = owners[at]!;
            if (old === 0 || rank >= rankOf(old)) {
                owners[at] = owner;
                pixels[at] = pixel;
            }
        }
    }
}

/** The point nearest to x, y within reach pixels; -1 = none. */
export function pick(r: Raster, x: number, y: number, reach: number): number {
    let best = -1;
    let nearest = reach * reach + 1;
    const [cx, cy] = [Math.round(x), Math.round(y)];
    for (let row = Math.max(0, cy - reach); row <= Math.min(r.h - 1, cy + reach); row++) {
        for (let col = Math.max(0, cx - reach); col <= Math.min(r.w - 1, cx + reach); col++) {
            const owner = r.owners[row * r.w + col]!;
            const far = (row - cy) * (row - cy) + (col - cx) * (col - cx);
            if (owner !== 0 && far < nearest) {
                nearest = far;
                best = owner - 1;
            }
        }
    }
    return best;
}

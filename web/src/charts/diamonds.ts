/** diamonds: marks of the operator norm: hollow, so that they hide no point under them. */

import type { Palette } from "../draw/theme";
import { type Norm, everyDrawn } from "../model/norms";

export interface Place {
    /** Device pixels. */
    x: number;
    y: number;
    norm: Norm;
}

const HALF = 5.5;
const REACH = 8;

/** place: where a norm stands, or null where it does not. */
export function placed(
    norms: readonly Norm[],
    place: (norm: Norm) => readonly [number, number] | null,
): Place[] {
    const stride = everyDrawn(norms);
    const out: Place[] = [];
    for (let i = 0; i < norms.length; i += stride) {
        const at = place(norms[i]!);
        if (at !== null && Number.isFinite(at[0]) && Number.isFinite(at[1])) {
            out.push({ x: at[0], y: at[1], norm: norms[i]! });
        }
    }
    return out;
}

export function drawDiamonds(
    ctx: CanvasRenderingContext2D,
    places: readonly Place[],
    { paper, ink, doubt }: Palette,
): void {
    const ratio = devicePixelRatio;
    const half = HALF * ratio;
    ctx.save();
    ctx.lineJoin = "miter";
    for (const { x, y, norm } of places) {
        outline(ctx, x, y, half, norm.value < 0);
        ctx.setLineDash([]);
        ctx.lineWidth = 4 * ratio;
        ctx.strokeStyle = paper;
        ctx.stroke();
        ctx.setLineDash(norm.converged ? [] : [3 * ratio, 2 * ratio]);
        ctx.lineWidth = 1.75 * ratio;
        ctx.strokeStyle = norm.converged ? ink : doubt;
        ctx.stroke();
    }
    ctx.restore();
}

function outline(
    ctx: CanvasRenderingContext2D,
    x: number,
    y: number,
    half: number,
    negative: boolean,
): void {
    ctx.beginPath();
    ctx.moveTo(x, y - half);
    ctx.lineTo(x + half, y);
    ctx.lineTo(x, y + half);
    ctx.lineTo(x - half, y);
    ctx.closePath();
    if (negative) {
        ctx.moveTo(x - half, y);
        ctx.lineTo(x + half, y);
    }
}

/** The norm whose mark is nearest to this place, or null. */
export function diamondAt(places: readonly Place[], x: number, y: number): Norm | null {
    let best: Norm | null = null;
    let nearest = (REACH * devicePixelRatio) ** 2;
    for (const place of places) {
        const far = (place.x - x) ** 2 + (place.y - y) ** 2;
        if (far <= nearest) {
            nearest = far;
            best = place.norm;
        }
    }
    return best;
}

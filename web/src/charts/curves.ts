/** curves: the fitted laws over the points: distinct dashes, a halo, a label at the end. */

import { sig3 } from "../draw/format";
import type { Curve } from "../model/verdict";

export interface CurvePath {
    curve: Curve;
    path: readonly { x: number; y: number }[];
    colour: string;
}

const DASHES: Record<Curve["key"], readonly number[]> = {
    relative: [],
    median: [9, 5],
    q95: [3, 4],
    envelope: [12, 4, 2, 4],
};

export function dashOf(key: Curve["key"]): readonly number[] {
    return DASHES[key];
}

export function drawCurve(ctx: CanvasRenderingContext2D, { curve, path, colour }: CurvePath, halo: string): void {
    const ratio = devicePixelRatio;
    ctx.beginPath();
    path.forEach(({ x, y }, i) => (i === 0 ? ctx.moveTo(x, y) : ctx.lineTo(x, y)));
    ctx.lineJoin = "round";
    ctx.setLineDash([]);
    ctx.strokeStyle = halo;
    ctx.lineWidth = 4.5 * ratio;
    ctx.globalAlpha = 0.75;
    ctx.stroke();
    ctx.globalAlpha = 1;
    ctx.strokeStyle = colour;
    ctx.lineWidth = 2 * ratio;
    ctx.setLineDash(DASHES[curve.key].map((v) => v * ratio));
    ctx.stroke();
    ctx.setLineDash([]);
}

export interface Label {
    text: string;
    x: number;
    y: number;
    align: CanvasTextAlign;
    colour: string;
    halo: string;
    /** The end of the curve, to which a line leads; null = the text is on it. */
    from: { x: number; y: number } | null;
}

export function drawLabel(ctx: CanvasRenderingContext2D, label: Label): void {
    const ratio = devicePixelRatio;
    ctx.save();
    if (label.from !== null) {
        ctx.strokeStyle = label.colour;
        ctx.globalAlpha = 0.6;
        ctx.lineWidth = ratio;
        ctx.beginPath();
        ctx.moveTo(label.from.x, label.from.y);
        ctx.lineTo(label.x - 2 * ratio, label.y);
        ctx.stroke();
        ctx.globalAlpha = 1;
    }
    ctx.font = `600 ${12 * ratio}px system-ui, sans-serif`;
    ctx.textAlign = label.align;
    ctx.textBaseline = "middle";
    ctx.lineWidth = 4 * ratio;
    ctx.lineJoin = "round";
    ctx.strokeStyle = label.halo;
    ctx.strokeText(label.text, label.x, label.y);
    ctx.fillStyle = label.colour;
    ctx.fillText(label.text, label.x, label.y);
    ctx.restore();
}

export function labelText(curve: Curve): string {
    return curve.label;
}

export function lawText(curve: Curve): string {
    return `${sig3(curve.L0)} + ${sig3(curve.L1)} ‖g‖`;
}

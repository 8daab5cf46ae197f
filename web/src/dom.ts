/** dom: elements without markup strings: nothing that comes from a run is parsed as HTML. */

type Child = Node | string | null;
type Attributes = Record<string, string | number | boolean | null | ((event: Event) => void)>;

/** An element; `on…` functions are listeners, true is an empty attribute. */
export function h<K extends keyof HTMLElementTagNameMap>(
    tag: K,
    attributes: Attributes = {},
    ...children: Child[]
): HTMLElementTagNameMap[K] {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (typeof value === "function") {
            element.addEventListener(name.slice(2), value);
        } else if (value === true) {
            element.setAttribute(name, "");
        } else if (value !== false && value !== null) {
            element.setAttribute(name, String(value));
        }
    }
    element.append(...children.filter((child): child is Node | string => child !== null));
    return element;
}

/** Likewise, of a picture. */
export function svg(
    tag: string,
    attributes: Record<string, string | number>,
    ...children: SVGElement[]
): SVGElement {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) {
        element.setAttribute(name, String(value));
    }
    element.append(...children);
    return element;
}

/** Put these in place of what is there, if they differ; texts only. */
export function setText(element: Element, text: string): void {
    if (element.textContent !== text) {
        element.textContent = text;
    }
}

/** These and no others, in this order. What stays is not taken out, so that it keeps focus and scroll. */
export function place(parent: Element, wanted: readonly Element[]): void {
    const kept = new Set(wanted);
    [...parent.children].forEach((child) => kept.has(child) || child.remove());
    wanted.forEach((element, i) => {
        if (parent.children[i] !== element) {
            parent.insertBefore(element, parent.children[i] ?? null);
        }
    });
}

export function isTyping(target: EventTarget | null): boolean {
    return (
        target instanceof HTMLElement &&
        (target.matches("input, select, textarea") || target.isContentEditable)
    );
}

/** A click that asks for no other tab or window: a link may then be followed in place. */
export function isPlainClick(event: Event): boolean {
    const click = event as MouseEvent;
    return !click.ctrlKey && !click.metaKey && !click.shiftKey && click.button === 0;
}

/** Reads texts to screen readers, the last one of a burst. */
export class Announcer {
    readonly element = h("div", { class: "unseen", role: "status", "aria-live": "polite" });
    private timer = 0;

    say(text: string): void {
        window.clearTimeout(this.timer);
        this.timer = window.setTimeout(() => setText(this.element, text), 250);
    }
}

/** What every drawing needs: how wide it is, and where the reader points. */

import { type KeyboardEvent, type PointerEvent, type RefCallback, useLayoutEffect, useState } from "react";

const START_WIDTH = 640;
const FAR = 20;

/** The width of an element, px. */
export function useWidth<Place extends HTMLElement>(): [RefCallback<Place>, number] {
  // as state: what is drawn later than the first time must be measured, too
  const [element, setElement] = useState<Place | null>(null);
  const [width, setWidth] = useState(START_WIDTH);
  useLayoutEffect(() => {
    if (element === null) return undefined;
    const measure = (): void => setWidth(Math.max(120, element.clientWidth));
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, [element]);
  return [setElement, width];
}

/** The position whose place is nearest; null of none. */
export function nearest(places: readonly number[], x: number): number | null {
  let found: number | null = null;
  let least = Number.POSITIVE_INFINITY;
  places.forEach((place, n) => {
    const far = Math.abs(place - x);
    if (far < least) [least, found] = [far, n];
  });
  return found;
}

/** Where a key leads among `count` positions; null where it leads nowhere. */
export function stepped(at: number | null, count: number, key: string, isFar: boolean): number | null {
  if (count === 0) return null;
  const step = isFar ? FAR : 1;
  const from = at ?? count - 1;
  const to = { ArrowLeft: from - step, ArrowRight: from + step, Home: 0, End: count - 1 }[key];
  return to === undefined ? null : Math.max(0, Math.min(count - 1, to));
}

export interface Pointing {
  at: number | null;
  handlers: {
    onPointerMove: (event: PointerEvent<SVGSVGElement>) => void;
    onPointerDown: (event: PointerEvent<SVGSVGElement>) => void;
    onPointerLeave: (event: PointerEvent<SVGSVGElement>) => void;
  };
  onKeyDown: (event: KeyboardEvent) => void;
}

/** The position that is pointed at, by mouse, finger or arrow keys; `places` are in px, by position. */
export function usePointing(places: readonly number[]): Pointing {
  const [at, setAt] = useState<number | null>(null);
  const point = (event: PointerEvent<SVGSVGElement>): void => {
    setAt(nearest(places, event.clientX - event.currentTarget.getBoundingClientRect().left));
  };
  return {
    at: at === null || places.length === 0 ? null : Math.min(at, places.length - 1),
    handlers: {
      onPointerMove: point,
      onPointerDown: point,
      onPointerLeave: (event) => event.pointerType === "mouse" && setAt(null),
    },
    onKeyDown: (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "Escape") setAt(null);
      const next = stepped(at, places.length, event.key, event.shiftKey);
      if (next === null) return;
      event.preventDefault();
      setAt(next);
    },
  };
}

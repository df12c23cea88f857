/** The frame of set-up and sign-in: one card on a hillside of contour lines, drawn here, not loaded. */
import type { Child } from 'hono/jsx';
import { Mark } from './icon.tsx';
import { Document, ThemeChoice } from './layout.tsx';

export function Bare({ title, children }: { title: string; children?: Child }) {
  return (
    <Document title={`${title} · Bothy`} scripts={['shell.js', 'dialog.js', 'form.js']} class="bare">
      <Hillside />
      <main id="page" class="bare-card">
        <p class="brand"><Mark /><span class="brand-name">Bothy</span></p>
        {children}
      </main>
      <ol id="toasts" class="toasts" aria-live="polite" />
      <footer class="bare-foot"><ThemeChoice group="bare" /></footer>
    </Document>
  );
}

/** Twelve contour lines of a hill, every fourth one stronger, as on a survey map. */
function Hillside() {
  const rings = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
  return (
    <svg class="hillside" viewBox="0 0 1200 800" preserveAspectRatio="xMidYMid slice" aria-hidden="true">
      {rings.map((n) => <path data-index={n % 4 === 0 ? '' : undefined} d={contour(n)} />)}
    </svg>
  );
}

function contour(n: number): string {
  const steps = 30;
  const points = Array.from({ length: steps }, (_, i) => {
    const angle = (i / steps) * 2 * Math.PI;
    const reach = 60 + n * 78 + (16 + n * 7) * Math.sin(3 * angle + 0.6 + n * 0.11) + (9 + n * 5) * Math.cos(5 * angle - n * 0.17);
    return [830 + reach * 1.25 * Math.cos(angle), 290 + reach * 0.8 * Math.sin(angle)] as const;
  });
  return smoothClosed(points);
}

/** A closed curve through the midpoints of the given points (quadratic splines). */
function smoothClosed(points: (readonly [number, number])[]): string {
  const middle = (i: number) => {
    const [ax, ay] = points[i % points.length] ?? [0, 0];
    const [bx, by] = points[(i + 1) % points.length] ?? [0, 0];
    return `${((ax + bx) / 2).toFixed(0)} ${((ay + by) / 2).toFixed(0)}`;
  };
  const curves = points.map(([x, y], i) => `Q${x.toFixed(0)} ${y.toFixed(0)} ${middle(i)}`);
  return `M${middle(points.length - 1)}${curves.join('')}Z`;
}

/**
 * What can be measured of how a page looks, in the browser, from the styles as computed. Each function returns one line for each fault. The
 * functions given to `evaluate` run in the page and can use nothing from here. Called by browser-looks.test.ts.
 */
import type { Page } from 'playwright-core';

/** Elements that reach beyond the right edge of the window, where the page itself must not scroll sideways. */
export function findWide(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const root = document.documentElement;
    if (root.scrollWidth <= root.clientWidth) return [];
    const wide = [...document.querySelectorAll('body *')].filter((element) => element.getBoundingClientRect().right > root.clientWidth + 1);
    return [`scrolls sideways by ${root.scrollWidth - root.clientWidth} px: ${wide.slice(-3).map((element) => `<${element.localName} class="${element.getAttribute('class') ?? ''}">`).join(' ')}`];
  });
}

/** Words that do not fit into their button, chip, tab, heading or field. What is cut with an ellipsis on purpose says so by its style. */
export function findClipped(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const faults: string[] = [];
    for (const element of document.querySelectorAll<HTMLElement>('.button, .chip, .tabs a, h1, h2, th, label, legend, .figure-value, nav a span, .bar span, select, dt, dd')) {
      const style = getComputedStyle(element);
      if (!element.checkVisibility() || element.clientWidth === 0 || style.clipPath !== 'none' || style.textOverflow === 'ellipsis' || style.fontSize === '0px') continue;
      if (element.scrollWidth > element.clientWidth + 1 && style.display !== 'inline') faults.push(`${element.localName} "${element.textContent?.trim().slice(0, 40)}" is ${element.scrollWidth - element.clientWidth} px too wide`);
    }
    return faults;
  });
}

/** Text whose contrast with what lies behind it is under the AA of WCAG 2: 4.5, or 3 for large text. Disabled controls are exempt there. */
export function findFaint(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    type Colour = [red: number, green: number, blue: number, alpha: number];
    const pen = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    const read = (css: string): Colour => {
      if (!pen) return [0, 0, 0, 1];
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = css;
      pen.fillRect(0, 0, 1, 1);
      const [red = 0, green = 0, blue = 0, alpha = 0] = pen.getImageData(0, 0, 1, 1).data;
      return [red, green, blue, alpha / 255];
    };
    const over = ([r, g, b, a]: Colour, [R, G, B]: Colour): Colour => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
    const ground = (element: Element | null): Colour => {
      if (!element) return read(getComputedStyle(document.documentElement).backgroundColor);
      const own = read(getComputedStyle(element).backgroundColor);
      // Dialogs and menus lie above the page, not in their parent.
      return own[3] === 1 ? own : over(own, ground(element.parentElement));
    };
    const luminance = ([r, g, b]: Colour) => [r, g, b].map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)).reduce((sum, part, index) => sum + part * ([0.2126, 0.7152, 0.0722][index] ?? 0), 0);
    const contrast = (a: Colour, b: Colour) => (Math.max(luminance(a), luminance(b)) + 0.05) / (Math.min(luminance(a), luminance(b)) + 0.05);

    const faults = new Set<string>();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement;
      if (!element || !node.textContent?.trim() || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
      if (element.closest('script, style, template, option, :disabled, [aria-disabled="true"], .sr, canvas')) continue;
      const style = getComputedStyle(element);
      const size = Number.parseFloat(style.fontSize);
      if (size === 0) continue;
      const behind = ground(element);
      const ratio = contrast(over(read(style.color), behind), behind);
      const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      if (ratio < (isLarge ? 3 : 4.5)) faults.add(`"${node.textContent.trim().slice(0, 30)}" in .${element.getAttribute('class') ?? element.localName} has a contrast of ${ratio.toFixed(2)}`);
    }
    return [...faults];
  });
}

/**
 * Quantities as people read them. Bytes are shown in binary units (1 GiB = 2^30), times as the browser's local time
 * with the exact instant in the tooltip; the server only writes the ISO instant and a plain fallback.
 */
import { useUi } from './context.ts';

const byteUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < byteUnits.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${trim(value)} ${byteUnits[unit]}`;
}

/** Splits bytes into the largest unit that shows them without a fraction, for a field with a unit picker. */
export function splitBytes(bytes: number): { amount: number; unit: 'MiB' | 'GiB' | 'TiB' } {
  for (const [unit, power] of [['TiB', 40], ['GiB', 30]] as const) {
    if (bytes >= 2 ** power && bytes % 2 ** power === 0) return { amount: bytes / 2 ** power, unit };
  }
  return { amount: bytes / 2 ** 20, unit: 'MiB' };
}

export function formatPercent(fraction: number): string {
  return `${Math.round(fraction * 100)} %`;
}

/** `3 d 4 h`, `12 min`, `8 s`: two units at most. */
export function formatDuration(seconds: number): string {
  if (seconds < 1) return '< 1 s';
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min${s < 600 && s % 60 ? ` ${s % 60} s` : ''}`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

function trim(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return String(Math.round(value));
  return value.toFixed(value >= 10 ? 1 : 2).replace(/\.?0+$/, '');
}

export interface TimeProps {
  /** Milliseconds since the epoch. */
  at: number;
  /** `ago` reads "3 min ago" and stays current; `clock` reads date and time. */
  as?: 'ago' | 'clock';
}

export function Time({ at, as = 'ago' }: TimeProps) {
  const iso = new Date(at).toISOString();
  return <time datetime={iso} data-time={as}>{`${iso.slice(0, 16).replace('T', ' ')} UTC`}</time>;
}

export interface MeterProps {
  label: string;
  used: number;
  total: number;
  /** Text beside the bar; without it the share in percent. */
  text?: string;
  /** Shares from which the bar turns amber and red. */
  warnAt?: number;
  criticalAt?: number;
}

/** A share of a whole as a bar with its number; the level is also spoken, so that colour is not alone. */
export function Meter({ label, used, total, text, warnAt = 0.8, criticalAt = 0.92 }: MeterProps) {
  const { t } = useUi();
  const share = total > 0 ? Math.min(1, used / total) : 0;
  const level = share >= criticalAt ? 'critical' : share >= warnAt ? 'warn' : 'ok';
  const words = level === 'critical' ? ` (${t('level.critical')})` : level === 'warn' ? ` (${t('level.warn')})` : '';
  return (
    <span class="meter" data-level={level}>
      <svg class="meter-bar" viewBox="0 0 100 4" preserveAspectRatio="none" role="img"
        aria-label={`${label}: ${formatPercent(share)}${words}`}>
        <rect class="meter-track" width="100" height="4" />
        <rect class="meter-fill" width={(share * 100).toFixed(1)} height="4" />
      </svg>
      <span class="meter-text">{text ?? formatPercent(share)}</span>
    </span>
  );
}

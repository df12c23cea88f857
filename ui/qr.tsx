/** A QR code as a picture that phones read in both themes: dark on light, with the light border that it needs. */
import qrcode from 'qrcode-generator';

const border = 4;

export function Qr({ text, label }: { text: string; label: string }) {
  const code = qrcode(0, 'M');
  code.addData(text, 'Byte');
  code.make();
  const count = code.getModuleCount();
  const places = Array.from({ length: count }, (_row, row) => Array.from({ length: count }, (_column, column) => (code.isDark(row, column) ? `M${column + border} ${row + border}h1v1h-1z` : '')).join('')).join('');
  const size = count + 2 * border;
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label} shape-rendering="crispEdges">
      <rect width={size} height={size} fill="#fff" /><path d={places} fill="#000" />
    </svg>
  );
}

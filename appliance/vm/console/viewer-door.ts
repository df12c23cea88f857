/**
 * Where virt-viewer on another machine connects to: TLS with the certificate of the web address, on a port of its own while it is used.
 *
 * Only SPICE goes out: its viewers speak TLS and send a password. VNC from virt-viewer would be plain, so it stays on loopback; the browser has
 * the same screen over the encrypted web address.
 */
export interface ViewerDoor {
  /** The address that the web server listens on. */
  host: string;
  /** Both included. */
  ports: { first: number; last: number };
  certificate(): { chain: string; key: string; isOwn: boolean } | undefined;
}

/** The name that a browser has used, as a viewer takes it: an IPv6 address without its brackets. */
export const nameIn = (url: string): string => new URL(url).hostname.replace(/^\[|\]$/g, '');

/** IPv4 subnets in CIDR notation: enough to lay out a NAT network. Pure. */
export interface Subnet {
  /** First address as a number. */
  first: number;
  prefix: number;
}

/** The subnet that holds the address, such as 192.168.1.0/24 for `192.168.1.7/24`; `undefined` for anything else than IPv4 CIDR. */
export function parseSubnet(cidr: string): Subnet | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(cidr);
  if (!match) return undefined;
  const [a = 256, b = 256, c = 256, d = 256, prefix = 33] = match.slice(1).map(Number);
  if (Math.max(a, b, c, d) > 255 || prefix > 32) return undefined;
  const address = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  return { first: (address & maskOf(prefix)) >>> 0, prefix };
}

/** JavaScript shifts by 32 as by 0. */
const maskOf = (prefix: number) => (prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0);
const sizeOf = ({ prefix }: Subnet) => 2 ** (32 - prefix);

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

export const formatSubnet = ({ first, prefix }: Subnet) => `${formatAddress(first)}/${prefix}`;

export function doOverlap(a: Subnet, b: Subnet): boolean {
  return a.first < b.first + sizeOf(b) && b.first < a.first + sizeOf(a);
}

const privateSubnets = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].flatMap((cidr) => parseSubnet(cidr) ?? []);

/** Only private addresses may be hidden behind NAT: of others, guests could not reach the true owner. */
export function isPrivate(subnet: Subnet): boolean {
  return privateSubnets.some((wide) => subnet.prefix >= wide.prefix && doOverlap(subnet, wide));
}

/** Gateway is the first address, guests get the rest but the broadcast address. */
export function layOut(subnet: Subnet): { gateway: string; netmask: string; dhcpStart: string; dhcpEnd: string } {
  const { first, prefix } = subnet;
  return {
    gateway: formatAddress(first + 1), netmask: formatAddress(maskOf(prefix)),
    dhcpStart: formatAddress(first + 2), dhcpEnd: formatAddress(first + sizeOf(subnet) - 2),
  };
}

/** The first free one of 192.168.122.0/24 (libvirt's habit) to 192.168.254.0/24, then of 10.122.0.0/24 on. */
export function findFreeSubnet(busy: Subnet[]): Subnet | undefined {
  for (const base of ['192.168', '10.122', '172.30']) {
    for (let third = base === '192.168' ? 122 : 0; third < 255; third++) {
      const subnet = parseSubnet(`${base}.${third}.0/24`);
      if (subnet && !busy.some((other) => doOverlap(subnet, other))) return subnet;
    }
  }
  return undefined;
}

/** The libvirt network of a NAT network. Pure; escapes what it is given. */
import { layOut, type Subnet } from './subnet.ts';

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };
const encodeText = (text: string) => text.replace(/[&<>"']/g, (character) => entities[character] ?? '');

/** libvirt chooses the name of the bridge; its dnsmasq gives addresses and names to guests. */
export function networkXml({ name, subnet }: { name: string; subnet: Subnet }): string {
  const { gateway, netmask, dhcpStart, dhcpEnd } = layOut(subnet);
  return `<network>
  <name>${encodeText(name)}</name>
  <forward mode="nat"/>
  <bridge stp="on" delay="0"/>
  <ip address="${gateway}" netmask="${netmask}">
    <dhcp>
      <range start="${dhcpStart}" end="${dhcpEnd}"/>
    </dhcp>
  </ip>
</network>
`;
}

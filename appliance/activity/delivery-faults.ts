/** Why something could not be delivered, in words for people, with the next step. Secrets are taken out of what a server says. */

export class DeliveryFault extends Error {
  override readonly name = 'DeliveryFault';
  readonly nextStep: string;
  constructor(message: string, nextStep: string, cause?: unknown) {
    super(message, { cause });
    this.nextStep = nextStep;
  }
}

interface Fact {
  /** The server, as people call it. */
  where: string;
  /** What the server said, if it did. */
  said: string;
  command: string;
  message: string;
}

type Words = (fact: Fact) => [message: string, nextStep: string];

const untrusted: Words = ({ where }) => [`The certificate of ${where} is not trusted.`, 'Give the certificate of its authority, or its own if it has signed itself.'];
const noTls: Words = ({ where }) => [`${where} does not speak TLS on this port.`, 'Check the port, or choose another way to secure the connection.'];
const cut: Words = ({ where }) => [`${where} ended the connection.`, 'Check that this is the right port, and that it speaks TLS if TLS is chosen.'];
const noWay: Words = ({ where }) => [`There is no way to ${where}.`, 'Check the addresses and the gateway of this machine on the page "Host".'];
const notOfNow: Words = ({ where }) => [`The certificate of ${where} is not valid now.`, 'Renew it there; or set the time of this machine right.'];

const nameOf = (where: string): string => where.replace(/:\d+$/, '');

/** By the code of Node, OpenSSL or nodemailer. */
const wordsOf: Record<string, Words> = {
  REFUSED_ADDRESS: ({ message }) => [`Nothing is sent there: ${message}`, 'Give the address of another machine.'],
  ENOTFOUND: ({ where }) => [`There is no server of the name ${nameOf(where)}.`, 'Check the name, and the name servers of this machine on the page "Host".'],
  EAI_AGAIN: ({ where }) => [`No name server tells where ${nameOf(where)} is.`, 'Check the name servers of this machine on the page "Host", or give an address.'],
  ECONNREFUSED: ({ where }) => [`${where} refuses the connection.`, 'Check the port, and that the service runs there.'],
  ETIMEDOUT: ({ where }) => [`${where} does not answer.`, 'Check the address; a firewall on the way may swallow what is sent.'],
  EHOSTUNREACH: noWay, ENETUNREACH: noWay,
  ECONNRESET: cut, EPIPE: cut, ECONNECTION: cut,
  ESOCKET: (fact) => (/certificate|altname|ssl|unable to/i.test(fact.message) ? tlsWords(fact) : cut(fact)),
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted, SELF_SIGNED_CERT_IN_CHAIN: untrusted, UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted, UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted, UNABLE_TO_GET_ISSUER_CERT: untrusted,
  CERT_HAS_EXPIRED: notOfNow, CERT_NOT_YET_VALID: notOfNow,
  ERR_TLS_CERT_ALTNAME_INVALID: ({ where }) => [`The certificate of ${where} is for another name.`, 'Give the name that stands in the certificate.'],
  EPROTO: noTls, ERR_SSL_WRONG_VERSION_NUMBER: noTls, ERR_SSL_PACKET_LENGTH_TOO_LONG: noTls,
  EAUTH: ({ where, said }) => [`${where} refuses the sign-in${said}.`, 'Check user and password. Some providers want a password made for programs.'],
  ENOAUTH: ({ where }) => [`${where} offers no sign-in.`, 'Leave out the user, or choose another port.'],
  EENVELOPE: ({ where, said, command }) => (command === 'RCPT TO' ? [`${where} refuses the recipients${said}.`, 'Check the addresses, and whether this server passes mail on without signing in.'] : [`${where} refuses the sender${said}.`, 'Check the address "From", and whether this server wants a sign-in.']),
  EMESSAGE: ({ where, said }) => [`${where} refuses the mail${said}.`, 'Ask who keeps the mail server.'],
  EPROTOCOL: ({ where }) => [`What answers at ${where} is no mail server, or is not ready.`, 'Check the port. With TLS it usually is 465, with STARTTLS 587.'],
  ETLS: (fact) => tlsWords(fact),
};

/** nodemailer keeps only the words of OpenSSL. */
function tlsWords(fact: Fact): [string, string] {
  if (fact.said !== '') return [`${fact.where} offers no STARTTLS${fact.said}.`, 'Choose TLS and its port, or ask who keeps the mail server.'];
  if (/self.signed|unable to (verify|get)/i.test(fact.message)) return untrusted(fact);
  if (/altname/i.test(fact.message)) return (wordsOf['ERR_TLS_CERT_ALTNAME_INVALID'] ?? noTls)(fact);
  return /expired|not yet valid/i.test(fact.message) ? notOfNow(fact) : noTls(fact);
}

/** `where`: the server, as people call it. `secrets`: never to be told. */
export function explainFault(error: unknown, where: string, secrets: readonly string[]): DeliveryFault {
  if (error instanceof DeliveryFault) return error;
  const { code = '', message = '', response, command = '' } = (error instanceof Error ? error : {}) as { code?: string; message?: string; response?: unknown; command?: string }; // as Node and nodemailer make them
  const words = wordsOf[code] ?? (/^ERR_SSL|^ERR_TLS/.test(code) ? noTls : undefined);
  const said = typeof response === 'string' ? `: ${oneLine(response, secrets)}` : '';
  if (!words) return new DeliveryFault(`${where} could not be reached${code ? ` (${code})` : ''}.`, 'Check the address, the port and the network.', error);
  const [text, nextStep] = words({ where, said: said.replace(/[.\s]+$/, ''), command, message });
  return new DeliveryFault(text, nextStep, error);
}

function oneLine(text: string, secrets: readonly string[]): string {
  const plain = text.replace(/[\p{Cc}\s]+/gu, ' ').trim();
  return secrets.filter((secret) => secret !== '').reduce((left, secret) => left.replaceAll(secret, '…'), plain).slice(0, 200);
}

/** Why an answer of a web server means that it did not take what was sent; `undefined` when it did. */
export function statusFault(status: number, where: string): DeliveryFault | undefined {
  if (status >= 200 && status < 300) return undefined;
  const nextStep = status >= 500 || status === 429 ? 'It is tried again. Ask who keeps that server.'
    : status >= 300 && status < 400 ? 'It leads on to another address. Give that one.'
      : status === 401 || status === 403 ? 'Check the bearer token and the signing key.'
        : status === 404 || status === 405 || status === 410 ? 'Check the address.' : 'Ask who keeps that server what it expects.';
  return new DeliveryFault(`${where} answers ${status} and did not take it.`, nextStep);
}

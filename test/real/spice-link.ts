/**
 * The beginning of a SPICE connection, as virt-viewer makes it: link, RSA key of the server, encrypted password, verdict. Run inside a
 * rack host as `node spice-link.js PORT PASSWORD`; prints the verdict, 0 for welcome. Called by vm-hardware-running.test.ts.
 */
import { constants, publicEncrypt } from 'node:crypto';
import { connect } from 'node:net';

const [port = '', password = ''] = process.argv.slice(2);
const headerBytes = 16;
const keyBytes = 162;

/** One set of common abilities, with the choice of the way to authenticate; those of the channel are none. */
function linkMessage(): Buffer {
  const body = Buffer.alloc(22);
  body.writeUInt8(1, 4); // the main channel
  body.writeUInt32LE(1, 6);
  body.writeUInt32LE(0, 10);
  body.writeUInt32LE(18, 14); // where the abilities are
  body.writeUInt32LE(1, 18);
  const header = Buffer.alloc(headerBytes);
  header.write('REDQ', 'latin1');
  header.writeUInt32LE(2, 4);
  header.writeUInt32LE(2, 8);
  header.writeUInt32LE(body.length, 12);
  return Buffer.concat([header, body]);
}

function secretMessage(publicKey: Buffer): Buffer {
  const mechanism = Buffer.alloc(4);
  mechanism.writeUInt32LE(1);
  const key = { key: publicKey, format: 'der', type: 'spki', padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' } as const;
  return Buffer.concat([mechanism, publicEncrypt(key, Buffer.from(`${password}\0`))]);
}

const socket = connect(Number(port), '127.0.0.1', () => socket.write(linkMessage()));
let received = Buffer.alloc(0);
let answeredAt = -1;
socket.on('data', (data: Buffer) => {
  received = Buffer.concat([received, data]);
  const replyEnd = received.length >= headerBytes ? headerBytes + received.readUInt32LE(12) : Number.POSITIVE_INFINITY;
  if (answeredAt < 0 && received.length >= replyEnd) {
    answeredAt = replyEnd;
    socket.write(secretMessage(received.subarray(headerBytes + 4, headerBytes + 4 + keyBytes)));
  }
  if (answeredAt < 0 || received.length < answeredAt + 4) return;
  console.log(received.readUInt32LE(answeredAt));
  socket.destroy();
});
socket.on('error', (error) => { throw error; });
socket.setTimeout(20_000, () => { throw new Error('no verdict'); });

/**
 * How many connections the web server holds, and who must yield when there are more.
 *
 *   arrived -> waiting (for a whole request head) <-> busy (an answer, an upload, the change feed, a console) -> closed
 *
 * When it is full, or one address holds more than its share, the connection that has waited longest is closed in favour of the
 * new one: clients that connect and say nothing, or one letter a second, keep nobody out. Only where all are busy is the
 * new one refused, with 503 and when to try again.
 */
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Problem } from '../core/problem.ts';

interface Connection {
  key: string;
  socket: Socket;
  address: string;
  requests: number;
  isSurplus: boolean;
}

/** One address may hold half of the connections: less would be little for a proxy, more would let one client keep out all others. */
const shareOfOne = 0.5;
/** So many more may be open for as long as it takes to refuse them. */
const spare = 64;
const retryAfterSeconds = 5;

/** A TLS socket and the plain one below it have the same. */
const keyOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

/** Puts a bound on the connections of `server`, and `listener` behind it. */
export function limitConnections(server: Server, listener: RequestListener, most: number): void {
  const open = new Map<string, Connection>();
  /** In the order in which they began to wait. */
  const waiting = new Set<Connection>();
  server.maxConnections = most + spare;

  const leave = (connection: Connection) => {
    if (open.get(connection.key) === connection) open.delete(connection.key);
    waiting.delete(connection);
  };
  const arrive = (socket: Socket) => {
    const connection: Connection = { key: keyOf(socket), socket, address: socket.remoteAddress ?? '', requests: 0, isSurplus: false };
    const held = [...open.values()].filter(({ address }) => address === connection.address).length;
    if (held >= most * shareOfOne) connection.isSurplus = !evict([...waiting].find(({ address }) => address === connection.address));
    else if (open.size >= most) connection.isSurplus = !evict([...waiting][0]);
    open.set(connection.key, connection);
    waiting.add(connection);
    socket.once('close', () => leave(connection));
  };
  const evict = (connection: Connection | undefined): boolean => {
    if (!connection) return false;
    leave(connection);
    connection.socket.destroy();
    return true;
  };
  const begin = ({ socket }: IncomingMessage): Connection | undefined => {
    const connection = open.get(keyOf(socket));
    if (!connection) return undefined;
    waiting.delete(connection);
    connection.requests += 1;
    return connection;
  };
  const end = (connection: Connection) => {
    connection.requests -= 1;
    if (connection.requests === 0 && !connection.socket.destroyed) waiting.add(connection);
  };

  server.on('connection', arrive);
  // From here on the socket that carries the requests is another one.
  server.on('secureConnection', (socket: Socket) => {
    const connection = open.get(keyOf(socket));
    if (!connection) return;
    connection.socket = socket;
    socket.once('close', () => leave(connection));
  });
  server.on('upgrade', begin);
  server.on('request', (request, response) => {
    const connection = begin(request);
    if (connection) response.once('close', () => end(connection));
    if (connection?.isSurplus) refuse(response);
    else listener(request, response);
  });
}

function refuse(response: ServerResponse): void {
  const problem = new Problem('unavailable', `The appliance serves as many connections as it can. Try again in ${retryAfterSeconds} seconds, and close pages and programs that are not needed.`, { retryAfterSeconds });
  response.writeHead(problem.status, { 'content-type': 'application/problem+json', 'retry-after': String(retryAfterSeconds), connection: 'close' }).end(JSON.stringify(problem.toJson()));
}

/** Notices inside this process: a typed list of listeners. A listener that throws does not stop the others. */
export interface Notices<T> {
  emit(notice: T): void;
  /** Calls `listener` for each notice until the returned function is called. */
  on(listener: (notice: T) => void): () => void;
}

export function createNotices<T>(onError: (error: unknown) => void): Notices<T> {
  const listeners = new Set<(notice: T) => void>();
  return {
    emit(notice) {
      for (const listener of listeners) {
        try {
          listener(notice);
        } catch (error) {
          onError(error);
        }
      }
    },
    on(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

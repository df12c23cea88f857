/**
 * Uploads from the browser. The page offers a place to drop files; `upload.js` sends them in one stream each, goes on where
 * the connection broke, and shows progress among the toasts, so that one can walk on through the pages meanwhile.
 */
import { Button } from './action.tsx';
import { useUi } from './context.ts';
import { Icon } from './icon.tsx';

export interface UploadDropProps {
  id: string;
  /** `iso`: a file by its own name below `address`. `disk`: a new disk made for the image, at `address`. `update`: one file, sent to `address`. */
  kind: 'iso' | 'disk' | 'update';
  address: string;
  /** File endings, such as `.iso`. */
  accept: string;
  title: string;
  text: string;
}

export function UploadDrop({ id, kind, address, accept, title, text }: UploadDropProps) {
  const { asset } = useUi();
  return (
    <>
      <label class="drop" data-upload={kind} data-address={address}>
        <Icon name="upload" /><strong>{title}</strong><span>{text}</span>
        <input id={id} type="file" accept={accept} multiple={kind !== 'update'} />
      </label>
      <UploadTemplate />
      <script type="module" src={asset('upload.js')} />
    </>
  );
}

/** One upload at work; the script fills in name, numbers and state. */
function UploadTemplate() {
  const { t } = useUi();
  const texts = {
    preparing: t('upload.preparing'), sending: t('upload.sending'), waiting: t('upload.waiting'), paused: t('upload.paused'), checking: t('upload.checking'), done: t('upload.done'),
    leave: t('upload.leave'), unknownFormat: t('upload.unknownFormat'), empty: t('upload.empty'),
  };
  return (
    <template id="upload-template" data-texts={JSON.stringify(texts)}>
      <li class="toast" data-tone="busy" data-stays="">
        <Icon name="upload" />
        <div class="toast-body">
          <p class="toast-title" data-name="" />
          <progress max={1} value={0} />
          <p class="quiet" data-text="" />
        </div>
        <span class="row-verbs">
          <Button text={t('upload.pause')} icon="pause" tone="quiet" isCompact data-pause="" />
          <Button text={t('upload.resume')} icon="play" tone="quiet" isCompact data-resume="" />
          <Button text={t('upload.cancel')} icon="close" tone="quiet" isCompact data-cancel="" />
        </span>
      </li>
    </template>
  );
}

/** English, the source of all text keys. `{name}` is a place; `one|many` is chosen by `{count}`. Read by `ui/text.ts`. */
export const en = {
  'nav.overview': 'Overview',
  'nav.vms': 'Virtual machines',
  'nav.storage': 'Storage',
  'nav.networks': 'Networks',
  'nav.host': 'Host',
  'nav.tasks': 'Tasks',
  'nav.events': 'Events',
  'nav.account': 'Account and tokens',
  'nav.api': 'API description',

  'layout.skip': 'Skip to content',
  'layout.mainNav': 'Main',
  'layout.more': 'More',
  'layout.account': 'Account of {user}',
  'layout.language': 'Language',

  'theme.label': 'Colours',
  'theme.auto': 'Auto',
  'theme.light': 'Light',
  'theme.dark': 'Dark',

  'live.lost': 'Not connected. Trying again …',

  'toast.region': 'Messages',
  'toast.close': 'Close',
  'toast.offline': 'The appliance did not answer',
  'toast.offlineNext': 'Nothing was lost. Check the connection and try again.',

  'confirm.cancel': 'Cancel',
  'confirm.typeName': 'To confirm, type the name:',
  'dialog.close': 'Close',

  'list.next': 'Next page',

  'form.optional': '(optional)',
  'form.unit': 'Unit',
  'form.add': 'Add: {what}',
  'form.remove': 'Remove',
  'form.apiCall': 'Show as API call',
  'form.copy': 'Copy',
  'form.sending': 'Sending …',

  'level.warn': 'low',
  'level.critical': 'critical',

  'problem.title': 'That did not work',
  'problem.requestId': 'Request id:',
  'problem.notFound': 'Not here',
  'problem.forbidden': 'Not allowed',
  'problem.home': 'Back to the overview',

  'task.state.pending': 'Waiting',
  'task.state.running': 'Running',
  'task.state.unwinding': 'Undoing',
  'task.state.done': 'Done',
  'task.state.failed': 'Failed',
  'task.state.cancelled': 'Cancelled',
  'task.took': 'took {duration}',

  'auth.signOut': 'Sign out',
} as const;

/** Simplified Chinese: the same keys as `en.ts`, and translations of English phrases that live in schemas. */
import type { Texts } from '../text.ts';

export const zhCN = {
  'nav.overview': '概览',
  'nav.vms': '虚拟机',
  'nav.vmsShort': '虚拟机',
  'nav.storage': '存储',
  'nav.networks': '网络',
  'nav.host': '主机',
  'nav.tasks': '任务',
  'nav.events': '事件',
  'nav.account': '账户与令牌',
  'nav.api': 'API 说明',

  'layout.skip': '跳到正文',
  'layout.mainNav': '主导航',
  'layout.more': '更多',
  'layout.account': '{user} 的账户',
  'layout.language': '语言',

  'theme.label': '配色',
  'theme.auto': '自动',
  'theme.light': '浅色',
  'theme.dark': '深色',

  'live.lost': '连接已断开,正在重试……',

  'toast.region': '消息',
  'toast.close': '关闭',
  'toast.offline': '设备没有响应',
  'toast.offlineNext': '数据没有丢失。请检查网络连接后重试。',

  'confirm.cancel': '取消',
  'confirm.typeName': '请输入名称以确认:',
  'dialog.close': '关闭',

  'list.next': '下一页',

  'form.optional': '(可选)',
  'form.unit': '单位',
  'form.add': '添加:{what}',
  'form.remove': '移除',
  'form.apiCall': '显示为 API 调用',
  'form.copy': '复制',
  'form.sending': '正在发送……',

  'level.warn': '偏低',
  'level.critical': '严重不足',

  'problem.title': '操作未成功',
  'problem.requestId': '请求编号:',
  'problem.notFound': '没有找到',
  'problem.forbidden': '没有权限',
  'problem.home': '返回概览',

  'task.state.pending': '等待中',
  'task.state.running': '进行中',
  'task.state.unwinding': '正在撤销',
  'task.state.done': '已完成',
  'task.state.failed': '失败',
  'task.state.cancelled': '已取消',
  'task.took': '用时 {duration}',

  'auth.signOut': '退出登录',
} satisfies Texts;

/** Labels, help and summaries of schemas and operations, by their English phrase. */
export const zhPhrases: Record<string, string> = {
  Name: '名称',
};

import type { Task } from '../cluster/records.ts';
import type { Context, Route } from './context.ts';
import { answerList } from './listing.ts';
import { rowOf } from './resource.ts';
import { listError } from './vms-error.ts';

const MAX_TASKS = 1000;
const FAILURE_TEXT = 'the simulator was told to fail this task';

/** Begin a task; what it comes to is decided now, by the fault modes. */
export function startTask(context: Context, name: string): Task {
  const { taskEnd, taskMs } = context.faults.modes;
  const task = context.state.tasks.add((id) => ({
    id,
    name,
    start_time: context.now,
    duration_ms: taskMs,
    end: taskEnd,
    messages: taskEnd === 'COMPLETED' ? [`${name}: started`] : [`${name}: started`, FAILURE_TEXT],
  }));
  context.state.tasks.trim(MAX_TASKS);
  return task;
}

/** Progress is by the clock alone. */
export function showTask(task: Task, context: Context) {
  const end = Date.parse(task.start_time) + task.duration_ms;
  const over = Date.parse(context.now) >= end;
  const state = over ? task.end : 'RUNNING';
  return {
    id: task.id,
    name: task.name,
    state: context.faults.modes.lowerCaseTasks ? state.toLowerCase() : state,
    messages: over ? task.messages : task.messages.slice(0, 1),
    info: {},
    start_time: task.start_time,
    end_time: over ? new Date(end).toISOString() : null,
    execution_time: Math.ceil(task.duration_ms / 1000),
    timeout_in_seconds: 1800,
  };
}

export const TASK_ROUTES: readonly Route[] = [
  {
    method: 'GET',
    path: '/vtasks/',
    run: (context) =>
      answerList(
        context,
        context.state.tasks.all().map((task) => showTask(task, context)),
      ),
  },
  {
    method: 'GET',
    path: '/vtasks/:id/',
    run: (context, ids) => ({ status: 200, body: showTask(rowOf(context.state.tasks, ids['id'], context), context) }),
  },
  {
    method: 'PATCH',
    path: '/vtasks/:id/retry/',
    run: (context, ids) => {
      const task = rowOf(context.state.tasks, ids['id'], context);
      if (task.end === 'COMPLETED') throw listError('only failed tasks can be retried', 409);
      const { taskEnd, taskMs } = context.faults.modes;
      const again = context.state.tasks.replace({
        ...task,
        start_time: context.now,
        end: taskEnd,
        duration_ms: taskMs,
      });
      return { status: 200, body: showTask(again, context) };
    },
  },
];

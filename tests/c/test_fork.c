/* After fork, the child is refused at once: no hang, no crash; the parent goes on (PITFALLS X7). */
#include "arrow_build.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

static const char *self; /* this program's path */
static WeirSession *session;
static WeirWriter *writer;
static WeirTailer *tailer;
static WeirQueue *queue;

/* In the child: the number of the first thing that is not as it should be, or 0. */
static int child(const char *root) {
  struct ArrowSchema schema = batch_schema();
  struct ArrowArray batch = batch_new(3, 0);
  WeirSession *s = NULL;
  WeirWriter *w = NULL;
  WeirEntry *entry = NULL;
  WeirBuffer *buffer = NULL;
  WeirError *error = NULL;
  WeirEvent event;
  WeirAck ack;
  size_t n;
  alarm(20); /* a hang is a failure */
  if (weir_writer_put(writer, &batch, -1, &ack, &error) != WEIR_STATUS_FORKED) return 1;
  if (batch.release != NULL) return 2; /* consumed all the same */
  if (error == NULL || weir_error_code(error) != WEIR_STATUS_FORKED || weir_error_action(error) != WEIR_ACTION_STOP) return 3;
  weir_error_free(error);
  if (weir_session_new(NULL, &s, NULL) != WEIR_STATUS_FORKED || s != NULL) return 4;
  if (weir_writer_open(session, root, SHARD2, &schema, NULL, &w, NULL) != WEIR_STATUS_FORKED || w != NULL) return 5;
  if (weir_writer_flush(writer, -1, NULL) != WEIR_STATUS_FORKED) return 6;
  if (weir_writer_close(writer, -1, NULL) != WEIR_STATUS_FORKED) return 7;
  if (weir_tailer_next(tailer, -1, &entry, NULL) != WEIR_STATUS_FORKED) return 8;
  if (weir_queue_next(queue, &event, 1, -1, &n, NULL) != WEIR_STATUS_FORKED) return 9;
  batch = batch_new(3, 0);
  if (weir_writer_put_async(writer, &batch, weir_queue_completion(queue, 1), NULL) != WEIR_STATUS_FORKED) return 10;
  if (batch.release != NULL) return 11;
  if (weir_metrics_prometheus(session, &buffer, NULL) != WEIR_STATUS_FORKED) return 12;
  if (weir_runtime_shutdown(-1, NULL) != WEIR_STATUS_FORKED) return 13;
  if (strcmp(weir_status_name(WEIR_STATUS_FORKED), "WEIR_STATUS_FORKED") != 0) return 14; /* what needs no thread works */
  /* Freeing is allowed and touches nothing of the parent's. */
  weir_queue_free(queue);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  weir_session_free(session);
  schema.release(&schema);
  return 0;
}

static void test_the_child_is_refused_and_the_parent_goes_on(void) {
  char *root = new_root();
  int status = -1;
  writer = writer_new(session, root, NULL);
  tailer = tailer_new(session, root, NULL);
  OK(weir_queue_new(NULL, &queue, &err));
  put_batches(writer, 3);
  struct ArrowArray batch = batch_new(10, 0);
  OK(weir_writer_put_async(writer, &batch, weir_queue_completion(queue, 1), &err)); /* threads are up, work may be under way */
  int answer[2];
  CHECK_EQ(pipe(answer), 0);
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    char number = (char)child(root);
    if (write(answer[1], &number, 1) != 1) _exit(99);
    /* Ends without a word: what the parent's threads own cannot be freed here, and valgrind would call that a leak. */
    kill(getpid(), SIGKILL);
  }
  char number = -1;
  close(answer[1]);
  CHECK_EQ(read(answer[0], &number, 1), 1);
  close(answer[0]);
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) fail_at(__FILE__, __LINE__, "the child died of signal %d", WTERMSIG(status));
  CHECK_EQ(number, 0); /* the step in child() that went wrong */
  put_batches(writer, 2);
  OK(weir_writer_flush(writer, -1, &err));
  CHECK_EQ(rows_in_log(session, root), 60);
  OK(weir_writer_close(writer, -1, &err));
  weir_queue_free(queue);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

/* Exec after fork is no fork to weir: what the quickstart does. */
static void test_a_process_that_was_execd_may_use_weir(void) {
  fflush(NULL);
  pid_t pid = fork();
  int status = -1;
  if (pid == 0) {
    execl(self, self, "--use", (char *)NULL);
    _exit(127);
  }
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (CHECK(WIFEXITED(status))) CHECK_EQ(WEXITSTATUS(status), 0);
}

static int use(void) {
  WeirSession *s = NULL;
  WeirStatus status = weir_session_new(NULL, &s, NULL);
  weir_session_free(s);
  return status == WEIR_STATUS_OK ? 0 : 1;
}

/* Before the first use there is nothing to lose: both go on. */
static void test_fork_before_first_use(void) {
  int status = -1;
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) _exit(use());
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "--use") == 0) return use();
  self = argv[0];
  harness_start();
  RUN(test_fork_before_first_use);
  session = session_new();
  RUN(test_the_child_is_refused_and_the_parent_goes_on);
  RUN(test_a_process_that_was_execd_may_use_weir);
  weir_session_free(session);
  check_all_released();
  return harness_finish(argv[0]);
}

// The baseline of the benchmark: MI over HTTP in the shape that OpenSIPS' httpd and mi_http have, written anew for this
// purpose on the libraries that a distribution ships (libmicrohttpd, cJSON). Imitated is what decides the cost:
//
// - one thread; libmicrohttpd in its epoll mode without threads, its descriptor watched by an external loop, since
//   OpenSIPS runs it inside of its own reactor;
// - the pieces of a body are collected in a list, then joined in a buffer of fixed size;
// - a command builds its result as a tree in memory, which is printed into one buffer, allocated once;
// - the printed reply is copied into the response, which libmicrohttpd then sends at the pace of the client.
//
// Not imitated: what only makes the original slower than its shape demands, such as lists whose append takes time that
// grows with their length, or the size that its buffer has by default (here it fits the largest reply).
#include "commands.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

struct piece {
  struct piece *next;
  size_t length;
  char bytes[];
};

struct request {
  struct piece *first;
  struct piece **last;
};

static const size_t body_size = 524288;
static char *body;
static size_t reply_size;
static char *reply;

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, size_t length) {
  struct MHD_Response *response = MHD_create_response_from_buffer(length, reply, MHD_RESPMEM_MUST_COPY);
  if (response == NULL) return MHD_NO;
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
  enum MHD_Result result = MHD_queue_response(connection, status, response);
  MHD_destroy_response(response);
  return result;
}

static enum MHD_Result answer_error(struct MHD_Connection *connection, unsigned status, int code, const char *text) {
  int length = snprintf(reply, reply_size,
                        "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":%d,\"message\":\"%s\"},\"id\":null}", code, text);
  return answer(connection, status, (size_t)length);
}

static enum MHD_Result run(struct MHD_Connection *connection, size_t length) {
  cJSON *call = cJSON_ParseWithLength(body, length);
  const cJSON *method = cJSON_GetObjectItemCaseSensitive(call, "method");
  if (!cJSON_IsString(method)) {
    cJSON_Delete(call);
    return answer_error(connection, MHD_HTTP_OK, -32600, "Invalid Request");
  }
  cJSON *result = commands_run(method->valuestring, cJSON_GetObjectItemCaseSensitive(call, "params"));
  if (result == NULL) {
    cJSON_Delete(call);
    return answer_error(connection, MHD_HTTP_OK, -32601, "Method not found");
  }
  cJSON *tree = cJSON_CreateObject();
  cJSON_AddStringToObject(tree, "jsonrpc", "2.0");
  cJSON_AddItemToObject(tree, "result", result);
  cJSON_AddItemToObject(tree, "id", cJSON_DetachItemFromObjectCaseSensitive(call, "id"));
  int fits = reply_size <= 0x7fffffff && cJSON_PrintPreallocated(tree, reply, (int)reply_size, 0);
  cJSON_Delete(tree);
  cJSON_Delete(call);
  if (!fits) return answer_error(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, -32603, "Internal error");
  return answer(connection, MHD_HTTP_OK, strlen(reply));
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                 const char *version, const char *data, size_t *size, void **state) {
  (void)cls;
  (void)version;
  struct request *request = *state;
  if (request == NULL) {
    request = calloc(1, sizeof *request);
    if (request == NULL) return MHD_NO;
    request->last = &request->first;
    *state = request;
    return MHD_YES;
  }
  if (*size > 0) {
    struct piece *piece = malloc(sizeof *piece + *size);
    if (piece == NULL) return MHD_NO;
    piece->next = NULL;
    piece->length = *size;
    memcpy(piece->bytes, data, *size);
    *request->last = piece;
    request->last = &piece->next;
    *size = 0;
    return MHD_YES;
  }
  if (strcmp(url, "/mi") != 0) return answer_error(connection, MHD_HTTP_NOT_FOUND, -32600, "no such root");
  if (strcmp(method, MHD_HTTP_METHOD_POST) != 0) {
    return answer_error(connection, MHD_HTTP_METHOD_NOT_ALLOWED, -32600, "POST only");
  }
  size_t length = 0;
  for (const struct piece *piece = request->first; piece != NULL; piece = piece->next) {
    if (piece->length > body_size - length) {
      return answer_error(connection, MHD_HTTP_CONTENT_TOO_LARGE, -32600, "body over the limit");
    }
    memcpy(body + length, piece->bytes, piece->length);
    length += piece->length;
  }
  return run(connection, length);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode end) {
  (void)cls;
  (void)connection;
  (void)end;
  struct request *request = *state;
  if (request == NULL) return;
  for (struct piece *piece = request->first; piece != NULL;) {
    struct piece *next = piece->next;
    free(piece);
    piece = next;
  }
  free(request);
  *state = NULL;
}

// A whole file as text, NULL if it cannot be read.
static char *read_text(const char *path) {
  FILE *file = fopen(path, "r");
  if (file == NULL) return NULL;
  char *text = calloc(1, 65536);
  if (text != NULL && fread(text, 1, 65535, file) == 0) {
    free(text);
    text = NULL;
  }
  fclose(file);
  return text;
}

static struct MHD_Daemon *start(uint16_t port, const char *certificate, const char *key) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  unsigned flags = MHD_USE_EPOLL | (certificate != NULL ? MHD_USE_TLS : 0);
  struct MHD_OptionItem tls[] = {
      {MHD_OPTION_HTTPS_MEM_CERT, 0, certificate != NULL ? read_text(certificate) : NULL},
      {MHD_OPTION_HTTPS_MEM_KEY, 0, key != NULL ? read_text(key) : NULL},
      {MHD_OPTION_END, 0, NULL},
  };
  if (certificate == NULL) tls[0] = tls[2];
  return MHD_start_daemon(flags, port, NULL, NULL, on_access, NULL, MHD_OPTION_SOCK_ADDR, &address,
                          MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_CONNECTION_TIMEOUT, 30u,
                          MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

static int serve(struct MHD_Daemon *daemon) {
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
  int loop = epoll_create1(EPOLL_CLOEXEC);
  if (info == NULL || loop < 0) return 1;
  struct epoll_event event = {.events = EPOLLIN, .data = {.fd = info->epoll_fd}};
  if (epoll_ctl(loop, EPOLL_CTL_ADD, info->epoll_fd, &event) != 0) return 1;
  for (;;) {
    MHD_UNSIGNED_LONG_LONG timeout;
    int wait = MHD_get_timeout(daemon, &timeout) == MHD_YES ? (int)timeout : -1;
    epoll_wait(loop, &event, 1, wait);
    if (MHD_run(daemon) == MHD_NO) return 1;
  }
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--version") == 0) {
    printf("libmicrohttpd %s, cJSON %s\n", MHD_get_version(), cJSON_Version());
    return 0;
  }
  if (argc != 7 && argc != 9) {
    fprintf(stderr, "usage: %s PORT BUF_SIZE VERSION NAMES STATISTICS CONTACTS [CERTIFICATE KEY]\n", argv[0]);
    return 2;
  }
  reply_size = strtoul(argv[2], NULL, 10);
  reply = malloc(reply_size);
  body = malloc(body_size);
  if (reply_size < 1024 || reply == NULL || body == NULL) return 1;
  if (!commands_load(argv[3], argv[4], argv[5], strtoul(argv[6], NULL, 10))) {
    fprintf(stderr, "%s: %s or %s cannot be read\n", argv[0], argv[4], argv[5]);
    return 1;
  }
  const char *certificate = argc == 9 ? argv[7] : NULL;
  struct MHD_Daemon *daemon = start((uint16_t)atoi(argv[1]), certificate, argc == 9 ? argv[8] : NULL);
  if (daemon == NULL) {
    fprintf(stderr, "%s: cannot listen on 127.0.0.1:%s\n", argv[0], argv[1]);
    return 1;
  }
  return serve(daemon);
}

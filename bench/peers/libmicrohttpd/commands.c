#include "commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct names {
  char **text;
  size_t count;
};

struct contact {
  char aor[64];
  char uri[96];
  char call_id[32];
  char id[24];
  time_t expires;
  int cseq;
};

static const char *server_version;
static struct names commands;
static struct names statistics;
static double *values;
static struct contact *contacts;
static size_t contact_count;

static int read_names(const char *path, struct names *names) {
  FILE *file = fopen(path, "r");
  if (file == NULL) return 0;
  char line[256];
  while (fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    char **grown = realloc(names->text, (names->count + 1) * sizeof *grown);
    if (grown == NULL) break;
    names->text = grown;
    names->text[names->count] = strdup(line);
    if (names->text[names->count] == NULL) break;
    names->count++;
  }
  int whole = feof(file);
  fclose(file);
  return whole;
}

// The contacts that every peer of the benchmark has; see contacts.ts.
static int make_contacts(size_t count) {
  contacts = calloc(count > 0 ? count : 1, sizeof *contacts);
  if (contacts == NULL) return 0;
  time_t expires = time(NULL) + 3600;
  for (size_t n = 0; n < count; n++) {
    struct contact *contact = &contacts[n];
    unsigned a = (n >> 16) & 255, b = (n >> 8) & 255, c = n & 255;
    snprintf(contact->aor, sizeof contact->aor, "subscriber%zu", n);
    snprintf(contact->uri, sizeof contact->uri, "sip:subscriber%zu@10.%u.%u.%u:5060;transport=udp", n, a, b, c);
    snprintf(contact->call_id, sizeof contact->call_id, "%016zx@10.0.0.1", n);
    snprintf(contact->id, sizeof contact->id, "%llu", (n + 1) * 0x9e3779b97f4a7c15ull & 0x7fffffffffffffffull);
    contact->expires = expires;
    contact->cseq = 17;
  }
  contact_count = count;
  return 1;
}

int commands_load(const char *version, const char *names_file, const char *statistics_file, size_t count) {
  server_version = version;
  if (!read_names(names_file, &commands) || !read_names(statistics_file, &statistics)) return 0;
  values = calloc(statistics.count + 1, sizeof *values);
  return values != NULL && make_contacts(count);
}

static cJSON *run_version(const cJSON *params) {
  (void)params;
  cJSON *result = cJSON_CreateObject();
  cJSON_AddStringToObject(result, "Server", server_version);
  return result;
}

static cJSON *run_which(const cJSON *params) {
  (void)params;
  cJSON *result = cJSON_CreateArray();
  for (size_t n = 0; n < commands.count; n++) cJSON_AddItemToArray(result, cJSON_CreateString(commands.text[n]));
  return result;
}

static cJSON *run_get_statistics(const cJSON *params) {
  const cJSON *wanted = cJSON_GetArrayItem(cJSON_IsArray(params) ? params : NULL, 0);
  const cJSON *first = cJSON_GetArrayItem(wanted, 0);
  if (!cJSON_IsString(first)) return NULL;
  int all = strcmp(first->valuestring, "all") == 0;
  cJSON *result = cJSON_CreateObject();
  for (size_t n = 0; n < statistics.count; n++) {
    if (!all && strcmp(statistics.text[n], first->valuestring) != 0) continue;
    values[n] += 1;
    cJSON_AddNumberToObject(result, statistics.text[n], values[n]);
  }
  return result;
}

static cJSON *run_measure(const cJSON *params) {
  const cJSON *text = cJSON_GetArrayItem(cJSON_IsArray(params) ? params : NULL, 0);
  return cJSON_IsString(text) ? cJSON_CreateNumber((double)strlen(text->valuestring)) : NULL;
}

static cJSON *contact_tree(const struct contact *contact, time_t now) {
  cJSON *tree = cJSON_CreateObject();
  cJSON_AddStringToObject(tree, "Contact", contact->uri);
  cJSON_AddStringToObject(tree, "ContactID", contact->id);
  cJSON_AddNumberToObject(tree, "Expires", (double)(contact->expires - now));
  cJSON_AddStringToObject(tree, "Q", "0.5");
  cJSON_AddStringToObject(tree, "Callid", contact->call_id);
  cJSON_AddNumberToObject(tree, "Cseq", contact->cseq);
  cJSON_AddStringToObject(tree, "User-agent", "Example Phone 4.2.1");
  cJSON_AddStringToObject(tree, "State", "CS_NEW");
  cJSON_AddNumberToObject(tree, "Flags", 0);
  cJSON_AddStringToObject(tree, "Cflags", "");
  cJSON_AddNumberToObject(tree, "Methods", 0);
  return tree;
}

static cJSON *run_ul_dump(const cJSON *params) {
  (void)params;
  cJSON *result = cJSON_CreateObject();
  cJSON *domain = cJSON_CreateObject();
  cJSON_AddStringToObject(domain, "name", "location");
  cJSON_AddNumberToObject(domain, "hash_size", 512);
  cJSON *aors = cJSON_AddArrayToObject(domain, "AORs");
  time_t now = time(NULL);
  for (size_t n = 0; n < contact_count; n++) {
    cJSON *aor = cJSON_CreateObject();
    cJSON_AddStringToObject(aor, "AOR", contacts[n].aor);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(aor, "Contacts"), contact_tree(&contacts[n], now));
    cJSON_AddItemToArray(aors, aor);
  }
  cJSON_AddItemToArray(cJSON_AddArrayToObject(result, "Domains"), domain);
  return result;
}

static const struct {
  const char *name;
  cJSON *(*run)(const cJSON *params);
} table[] = {
    {"version", run_version},
    {"which", run_which},
    {"get_statistics", run_get_statistics},
    {"ul_dump", run_ul_dump},
    {"measure", run_measure},
};

cJSON *commands_run(const char *method, const cJSON *params) {
  for (size_t n = 0; n < sizeof table / sizeof *table; n++) {
    if (strcmp(table[n].name, method) == 0) return table[n].run(params);
  }
  return NULL;
}

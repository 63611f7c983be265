/* The results of happn test as text: TAP for people and machines, JUnit's XML for CI. */
#ifndef HAPPN_CLI_TEST_REPORT_H
#define HAPPN_CLI_TEST_REPORT_H

#include <stdio.h>

#include "happn/workshop.h"

/* One result in TAP 14; number counts from 1. */
void test_report_tap(FILE *out, const happn_test_result *result, size_t number);

/* A result as XML; and all of them, as the text that these have made. */
void test_report_xml(FILE *out, const happn_test_result *result);
void test_report_xml_all(FILE *out, const happn_test_summary *summary, const char *cases);

#endif

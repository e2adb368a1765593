#lang racket/base
;; racket/unix-socket as a peer of the benchmark, driven as the C floor is:
;;   racket peer.rkt server|client WORKLOAD ADDRESS PATTERN_FILE SIZE SLICES BACKLOG COUNT SECONDS
;; The runner speaks newline-delimited JSON on the descriptor NODE_CHANNEL_FD; the client's result goes to stdout.
(require ffi/unsafe/port racket/file racket/unix-socket racket/vector)

(define-values (end workload address pattern-file size slices backlog count seconds)
  (apply values
         (for/list ([argument (current-command-line-arguments)] [i (in-naturals)])
           (if (< i 4) argument (string->number argument)))))

;; What failed is the last line that it says.
(error-print-context-length 0)

(define window 256)
(define in-flight 32)
(define chunk 65536)
(define pattern (if (zero? size) #"" (file->bytes pattern-file)))
(define whole (bytes-length pattern))

(define-values (orders reports)
  (unsafe-file-descriptor->port (string->number (getenv "NODE_CHANNEL_FD")) 'channel '(read write)))

(define (tell message)
  (write-string message reports)
  (newline reports)
  (flush-output reports))

;; The next line of the channel; the process ends with the channel.
(define (order)
  (define line (read-line orders))
  (if (eof-object? line) (exit 1) line))

(define (processor-time)
  (* 1000 (current-process-milliseconds)))

;; The server: a thread for each connection.

(define (echo in out)
  (define buffer (make-bytes chunk))
  (let loop ()
    (define length (read-bytes-avail! buffer in))
    (unless (eof-object? length)
      (write-bytes buffer out 0 length)
      (flush-output out)
      (loop)))
  (close-input-port in)
  (close-output-port out))

(define (serve)
  (define listener (unix-socket-listen address backlog))
  (thread
   (lambda ()
     (let loop ()
       (define-values (in out) (unix-socket-accept listener))
       (thread (lambda () (echo in out)))
       (loop))))
  (tell "{\"type\":\"ready\"}")
  (let loop ()
    (define asked (order))
    (cond
      [(regexp-match? #rx"stop" asked) (exit 0)]
      [(regexp-match? #rx"usage" asked)
       (tell (format "{\"type\":\"usage\",\"usage\":{\"user\":~a,\"system\":0}}" (processor-time)))])
    (loop)))

;; The client: a workload is a function of how many operations to make.

(define received 0)
(define measuring #f)
(define samples '())

;; Reads what there is and compares it with the pattern, which repeats itself.
(define (taker in)
  (define buffer (make-bytes chunk))
  (define offset 0)
  (lambda ()
    (define length (read-bytes-avail! buffer in))
    (when (eof-object? length) (error "the connection ended early"))
    (let loop ([from 0])
      (when (< from length)
        (define part (min (- length from) (- whole offset)))
        (unless (bytes=? (subbytes buffer from (+ from part)) (subbytes pattern offset (+ offset part)))
          (error "wrong bytes arrived"))
        (set! offset (modulo (+ offset part) whole))
        (loop (+ from part))))
    (set! received (+ received length))
    length))

;; Sends the next slices, as many at once as lie together in the pattern.
(define (giver out)
  (define next 0)
  (lambda (count)
    (let loop ([count count])
      (when (> count 0)
        (define together (min count (- slices next)))
        (write-bytes pattern out (* next size) (* (+ next together) size))
        (set! next (modulo (+ next together) slices))
        (loop (- count together))))
    (flush-output out)))

(define (ping take give)
  (lambda (count)
    (for ([_ (in-range count)])
      (define start (current-inexact-milliseconds))
      (give 1)
      (let loop ([missing size])
        (when (> missing 0) (loop (- missing (take)))))
      (when measuring
        (set! samples (cons (* 1000 (- (current-inexact-milliseconds) start)) samples))))))

(define (pipeline take give)
  (lambda (count)
    (define wanted (* count size))
    (let loop ([sent 0] [back 0])
      (when (< back wanted)
        (define room (min (- count sent) (- window (- sent (quotient back size)))))
        (give room)
        (loop (+ sent room) (+ back (take)))))))

(define (visit)
  (define-values (in out) (unix-socket-connect address))
  (write-byte 42 out)
  (flush-output out)
  (unless (eqv? (read-byte in) 42) (error "the byte did not come back"))
  (set! received (add1 received))
  (close-output-port out)
  (unless (eof-object? (read-byte in)) (error "no end came"))
  (close-input-port in))

(define (churn count)
  (define begun 0)
  (define workers
    (for/list ([_ (in-range in-flight)])
      (thread
       (lambda ()
         (let loop ()
           (when (< begun count)
             (set! begun (add1 begun))
             (visit)
             (loop)))))))
  (for-each thread-wait workers))

(define (step-of workload)
  (cond
    [(equal? workload "churn") churn]
    [else
     (define-values (in out) (unix-socket-connect address))
     ((if (equal? workload "ping") ping pipeline) (taker in) (giver out))]))

;; Seconds that a step takes.
(define (timed step count)
  (define start (current-inexact-milliseconds))
  (step count)
  (max 1e-6 (/ (- (current-inexact-milliseconds) start) 1000)))

;; Steps of growing size until a tenth of the run is over; operations per second.
(define (warm-up step)
  (let loop ([count 1] [spent 0.0])
    (define elapsed (timed step count))
    (define rate (/ count elapsed))
    (if (< (+ spent elapsed) (/ seconds 10))
        (loop (max 1 (min (* count 8) (inexact->exact (ceiling (* rate seconds 0.05))))) (+ spent elapsed))
        rate)))

(define (latency)
  (define sorted (vector-sort (list->vector samples) <))
  (define length (vector-length sorted))
  (define (at part)
    (vector-ref sorted (min (sub1 length) (inexact->exact (floor (* length part))))))
  (format ",\"latency\":{\"samples\":~a,\"p50\":~a,\"p99\":~a,\"max\":~a}" length (at 0.5) (at 0.99) (at 1)))

(define (ask)
  (define step (step-of workload))
  (define operations
    (if (> count 0) count (inexact->exact (ceiling (* (warm-up step) seconds)))))
  (tell "{\"type\":\"begin\"}")
  (order)
  (set! measuring #t)
  (define before (processor-time))
  (define elapsed (timed step operations))
  (define cpu (- (processor-time) before))
  (tell "{\"type\":\"end\"}")
  (order)
  (printf "{\"operations\":~a,\"seconds\":~a,\"cpu\":~a,\"bytes\":~a,\"failures\":{}~a}\n"
          operations elapsed cpu received (if (null? samples) "" (latency))))

(if (equal? end "server") (serve) (ask))

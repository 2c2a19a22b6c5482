// What only all services together can answer: the description of all calls, and whether all is ready.

export default {openapi, ready};

// Asks every service at once; `null` stands for one that does not answer with JSON.
async function askAll(r, path) {
    const services = r.variables.services.split(' ');
    const replies = await Promise.all(services.map(service => r.subrequest(`/merge/${service}${path}`)));
    return services.map((service, i) => ({service, status: replies[i].status, body: parse(replies[i])}));
}

function parse(reply) {
    try {
        return JSON.parse(reply.responseText);
    } catch (error) {
        return null;
    }
}

// One OpenAPI document. A service that does not answer is named in `info`, so that a gap is not taken for all there is.
async function openapi(r) {
    const answers = await askAll(r, '/api/openapi.json');
    const found = answers.filter(answer => answer.status === 200 && answer.body);
    if (found.length === 0) {
        return r.return(503);
    }
    const merged = Object.assign({}, found[0].body);
    merged.paths = sorted(Object.assign.apply(null, [{}].concat(found.map(answer => answer.body.paths))));
    // Not for outsiders.
    delete merged.paths['/metrics'];
    merged.components = {};
    found.forEach(answer => {
        const components = answer.body.components || {};
        Object.keys(components).forEach(kind => {
            merged.components[kind] = sorted(Object.assign({}, merged.components[kind], components[kind]));
        });
    });
    const missing = answers.filter(answer => found.indexOf(answer) < 0).map(answer => answer.service);
    if (missing.length > 0) {
        merged.info = Object.assign({}, merged.info, {'x-missing-services': missing});
    }
    reply(r, 200, merged);
}

// Ready if every service is; the checks of all, each with its service's name in front.
async function ready(r) {
    const answers = await askAll(r, '/health/ready');
    let checks = [];
    answers.forEach(answer => {
        checks = checks.concat(checksOf(answer));
    });
    const isReady = checks.every(check => check.status === 'ready');
    r.headersOut['Cache-Control'] = 'no-store';
    reply(r, isReady ? 200 : 503, {status: isReady ? 'ready' : 'not-ready', checks});
}

function checksOf(answer) {
    if (!answer.body || !Array.isArray(answer.body.checks)) {
        return [{name: answer.service, status: 'not-ready', detail: 'no replica answers'}];
    }
    return answer.body.checks.map(check => {
        const named = check.name.startsWith(`${answer.service}.`);
        return Object.assign({}, check, {name: named ? check.name : `${answer.service}.${check.name}`});
    });
}

function sorted(object) {
    const result = {};
    Object.keys(object).sort().forEach(key => {
        result[key] = object[key];
    });
    return result;
}

function reply(r, status, body) {
    r.headersOut['Content-Type'] = 'application/json';
    r.return(status, JSON.stringify(body));
}
